"""Token timing by dynamic time warping over cross-attention, as in openai-whisper.

CTranslate2 has an implementation of its own, which serves what its decoder decodes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["dtw", "median_filter", "token_frames"]

_SORTING_NETWORK = (
    *((0, 5), (0, 3), (1, 6), (2, 4), (0, 1), (3, 5), (2, 6)),
    *((2, 3), (3, 6), (4, 5), (1, 4), (1, 3), (3, 4)),
)
"""Exchanges that leave the median of 7 in slot 3 (Paeth 1990).

Six times as fast as ``scipy.ndimage.median_filter`` (docs/tuning.md).
"""


def token_frames(attention: NDArray[np.float32], n_start: int, n_frames: int) -> NDArray[np.int64]:
    """Return the frame at which each text token, and the end token, begins.

    Args:
        attention: (n_heads, n_tokens, n_frames or more) of the alignment heads, for start
            sequence and text.
        n_start: length of the start sequence.
        n_frames: frames that hold audio; attention to the padding is dropped.

    Returns:
        (n_tokens - n_start + 1,) frame indices, in ascending order.
    """
    audible = attention[..., :n_frames]
    weights = audible / audible.sum(axis=-1, keepdims=True)
    mean = weights.mean(axis=1, keepdims=True)
    deviation = weights.std(axis=1, keepdims=True)
    standardised = (weights - mean) / np.maximum(deviation, 1e-9)
    # A token is spoken where the one before it, which predicts it, attends to.
    smooth = median_filter(standardised[:, n_start - 1 :])
    return dtw(-smooth.mean(axis=0, dtype=np.float64))


def median_filter(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``values`` median-filtered over 7 along the last axis, reflected at the ends."""
    padded = np.pad(values, ((0, 0), (0, 0), (3, 3)), mode="reflect")
    n = values.shape[-1]
    parts = [padded[..., at : at + n] for at in range(7)]
    for a, b in _SORTING_NETWORK:
        parts[a], parts[b] = np.minimum(parts[a], parts[b]), np.maximum(parts[a], parts[b])
    return parts[3]


def dtw(cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the cheapest monotone path through ``cost``, (n, m), from corner to corner.

    Vectorised by row: the path enters a row at one column and leaves it at another, so its cost
    within the row is a difference of cumulative sums.

    Returns:
        (n,) column at which the path enters each row.
    """
    n, m = cost.shape
    entries = np.zeros((n, m), np.int64)
    is_straight = np.zeros((n, m), bool)  # entered from above, not from above left
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
