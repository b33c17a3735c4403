"""Speculative decoding with the last hypothesis as the draft (Leviathan et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["n_accepted"]

MIN_DRAFT_PROBABILITY = 0.1  # of an accepted token (docs/tuning.md)


def n_accepted(probabilities: Iterable[float]) -> int:
    """Return the number of draft tokens before the first that is less probable than allowed."""
    n = 0
    for probability in probabilities:
        if probability < MIN_DRAFT_PROBABILITY:
            break
        n += 1
    return n
