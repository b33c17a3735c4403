"""What the benchmarks count as errors."""

from __future__ import annotations

import pytest

from benchmarks.kinds import ErrorCounts, count_errors


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [
        ("one two three", "one two three", (3, 0, 0, 0, 0)),
        ("yes no yes", "yes no", (3, 1, 1, 0, 0)),
        ("never mind", "never never mind", (2, 1, 0, 1, 1)),
        ("never mind", "never mind at all", (2, 2, 0, 2, 0)),
        ("", "thank you", (0, 2, 0, 2, 0)),
        ("", "", (0, 0, 0, 0, 0)),
    ],
)
def test_errors_are_told_apart(
    reference: str, hypothesis: str, counts: tuple[int, int, int, int, int]
) -> None:
    assert count_errors([reference], [hypothesis]) == ErrorCounts(*counts)
