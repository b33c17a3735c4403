from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from asr_core.engines.whisper.timing import dtw, median_filter, token_frames

COSTS = arrays(
    np.float64, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.floats(-5, 5)
)


def cheapest(cost: np.ndarray) -> float:
    """Return the least cost by the textbook recursion."""
    n, m = cost.shape
    total = np.full((n, m), np.inf)
    for i in range(n):
        for j in range(m):
            before = [total[i - 1, j - 1] if i and j else np.inf, total[i - 1, j] if i else np.inf]
            before.append(total[i, j - 1] if j else np.inf)
            total[i, j] = cost[i, j] + (0 if i == j == 0 else min(before))
    return float(total[-1, -1])


def cost_of(cost: np.ndarray, entries: np.ndarray) -> float:
    """Return the least cost of a path that enters the rows at these columns.

    It leaves each row right above the next entry or to the left of it.
    """
    total = 0.0
    for i, first in enumerate(entries):
        after = entries[i + 1] if i + 1 < len(entries) else cost.shape[1] - 1
        lasts = [after - 1, after] if i + 1 < len(entries) else [after]
        total += min(cost[i, first : last + 1].sum() for last in lasts if last >= first)
    return total


@given(COSTS)
def test_the_path_is_the_cheapest_monotone_one(cost: np.ndarray) -> None:
    entries = dtw(cost)
    assert entries[0] == 0
    assert (np.diff(entries) >= 0).all()
    assert np.isclose(cost_of(cost, entries), cheapest(cost))


@given(arrays(np.float32, (2, 3, 9), elements=st.floats(-5, 5, width=32)))
def test_the_median_is_the_middle_one_of_seven(values: np.ndarray) -> None:
    padded = np.pad(values, ((0, 0), (0, 0), (3, 3)), mode="reflect")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 7, axis=2), axis=-1)
    assert (median_filter(values) == middle).all()


def test_each_token_starts_where_the_attention_of_the_previous_one_is() -> None:
    weights = np.full((1, 5, 50), 0.01, np.float32)  # forty frames of speech, ten of silence
    weights[..., 45:] = 1.0
    for row, frame in ((2, 0), (3, 10), (4, 30)):  # rows 0 and 1: the start sequence before
        weights[0, row, frame : frame + 10] = 1.0
    frames = token_frames(weights, n_start=3, n_frames=40)
    assert np.abs(frames - [0, 10, 30]).max() <= 3
