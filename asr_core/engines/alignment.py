"""When each token was said: dynamic time warping over cross-attention.

The method is that of openai-whisper's word time stamps. CTranslate2 carries its own
copy, which serves what its own decoder decodes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["median_of_seven", "token_frames", "warp"]

_EXCHANGES = (
    *((0, 5), (0, 3), (1, 6), (2, 4), (0, 1), (3, 5), (2, 6)),
    *((2, 3), (3, 6), (4, 5), (1, 4), (1, 3), (3, 4)),
)
"""That bring the median of seven to the middle (Paeth 1990)."""


def token_frames(attention: NDArray[np.float32], n_start: int, n_frames: int) -> NDArray[np.int64]:
    """The frame at which each text token, and the end token, begins.

    Args:
        attention: (n_heads, n_tokens, n_frames or more) of the alignment heads, for start
            sequence and text.
        n_start: length of the start sequence.
        n_frames: that hold audio; what the silence after it gets does not count.

    Returns:
        (n_tokens - n_start + 1,) frame indices, never falling.
    """
    heard = attention[..., :n_frames]
    weights = heard / heard.sum(axis=-1, keepdims=True)
    mean = weights.mean(axis=1, keepdims=True)
    deviation = weights.std(axis=1, keepdims=True)
    standardised = (weights - mean) / np.maximum(deviation, 1e-9)
    # A token is said where the one before it, which predicts it, looks.
    smooth = median_of_seven(standardised[:, n_start - 1 :])
    return warp(-smooth.mean(axis=0, dtype=np.float64))


def median_of_seven(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Along the last axis, each with three neighbours at both sides, reflected at the ends."""
    padded = np.pad(values, ((0, 0), (0, 0), (3, 3)), mode="reflect")
    n = values.shape[-1]
    parts = [padded[..., at : at + n] for at in range(7)]
    for a, b in _EXCHANGES:
        parts[a], parts[b] = np.minimum(parts[a], parts[b]), np.maximum(parts[a], parts[b])
    return parts[3]


def warp(cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """The cheapest monotone path through ``cost``, (n, m), corner to corner.

    Returns:
        (n,) the column at which the path enters each row. Runs row by row: within a row
        the path comes from above at one column and stays until another, so that its cost
        is a difference of running sums.
    """
    n, m = cost.shape
    entries = np.zeros((n, m), np.int64)
    is_straight = np.zeros((n, m), bool)  # from straight above, not from above on the left
    sums = np.cumsum(cost, axis=1)
    total = sums[0]
    columns = np.arange(m)
    for i in range(1, n):
        left = np.concatenate(([np.inf], total[:-1]))
        is_straight[i] = total < left
        entering = np.minimum(total, left)
        entering[1:] -= sums[i, :-1]
        least = np.minimum.accumulate(entering)
        entries[i] = np.maximum.accumulate(np.where(entering == least, columns, 0))
        total = sums[i] + least
    first = np.zeros(n, np.int64)
    column = m - 1
    for i in range(n - 1, 0, -1):
        first[i] = entries[i, column]
        column = first[i] - (not is_straight[i, first[i]])
    return first
