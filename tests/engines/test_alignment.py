from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from asr_core.engines.alignment import token_frames, warp

COSTS = arrays(
    np.float64, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.floats(-5, 5)
)


def cheapest(cost: np.ndarray) -> float:
    """By the textbook recursion."""
    n, m = cost.shape
    total = np.full((n, m), np.inf)
    for i in range(n):
        for j in range(m):
            before = [total[i - 1, j - 1] if i and j else np.inf, total[i - 1, j] if i else np.inf]
            before.append(total[i, j - 1] if j else np.inf)
            total[i, j] = cost[i, j] + (0 if i == j == 0 else min(before))
    return float(total[-1, -1])


@given(COSTS)
def test_the_path_is_the_cheapest_monotone_one(cost: np.ndarray) -> None:
    rows, columns = warp(cost)
    assert (rows[0], columns[0]) == (0, 0)
    assert (rows[-1], columns[-1]) == (cost.shape[0] - 1, cost.shape[1] - 1)
    steps = np.stack([np.diff(rows), np.diff(columns)], axis=1)
    assert set(map(tuple, steps.tolist())) <= {(0, 1), (1, 0), (1, 1)}
    assert np.isclose(cost[rows, columns].sum(), cheapest(cost))


def test_each_token_begins_where_the_one_before_it_looks() -> None:
    weights = np.full((1, 6, 40), 0.01, np.float32)
    for row, frame in ((2, 0), (3, 10), (4, 30)):  # rows 0 and 1: the start sequence before
        weights[0, row, frame : frame + 10] = 1.0
    frames = token_frames(weights, n_start=3)
    assert np.abs(frames - [0, 10, 30]).max() <= 3
