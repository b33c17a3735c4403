"""When each token was said: dynamic time warping over cross-attention.

The method is that of openai-whisper's word time stamps; CTranslate2 carries its
own copy, this one serves the transformers engine.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["token_frames", "warp"]

_MEDIAN_WIDTH = 7


def token_frames(weights: NDArray[np.float32], n_start: int) -> NDArray[np.int64]:
    """The frame at which each text token, and the end token, begins.

    Args:
        weights: (n_heads, n_tokens, n_frames), attention of the alignment heads,
            rows summing to one, for start sequence, text and end token.
        n_start: length of the start sequence.

    Returns:
        (n_tokens - n_start,) frame indices, never falling.
    """
    mean = weights.mean(axis=1, keepdims=True)
    deviation = weights.std(axis=1, keepdims=True)
    standardised = (weights - mean) / np.maximum(deviation, 1e-9)
    reach = _MEDIAN_WIDTH // 2
    padded = np.pad(standardised, ((0, 0), (0, 0), (reach, reach)), mode="reflect")
    smooth = np.median(sliding_window_view(padded, _MEDIAN_WIDTH, axis=2), axis=-1)
    # A token is said where the one before it, which predicts it, looks.
    tokens, frames = warp(-smooth.mean(axis=0)[n_start - 1 : -1])
    first = np.searchsorted(tokens, np.arange(weights.shape[1] - n_start))
    return frames[first]


def warp(cost: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cheapest monotone path through ``cost``, (n, m), corner to corner.

    Returns:
        Row and column of each step. Runs along anti-diagonals, whose cells do
        not depend on one another.
    """
    n, m = cost.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0
    for diagonal in range(2, n + m + 1):
        row = np.arange(max(1, diagonal - m), min(n, diagonal - 1) + 1)
        column = diagonal - row
        before = np.minimum(total[row - 1, column - 1], total[row - 1, column])
        total[row, column] = cost[row - 1, column - 1] + np.minimum(before, total[row, column - 1])
    return _trace_back(total)


def _trace_back(total: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    row, column = total.shape[0] - 1, total.shape[1] - 1
    path = []
    while row > 0 and column > 0:
        path.append((row - 1, column - 1))
        steps = (
            (total[row - 1, column - 1], row - 1, column - 1),
            (total[row - 1, column], row - 1, column),
            (total[row, column - 1], row, column - 1),
        )
        _, row, column = min(steps, key=lambda step: step[0])
    rows, columns = np.array(path[::-1], np.int64).T
    return rows, columns
