"""Phrases over and over: how a decoder fails that has lost its place."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["first_turn", "length_of_cycle"]

MIN_TURNS = 3
"""People say things twice; three times at the very end is suspect."""


def length_of_cycle(items: Sequence[object]) -> int:
    """How many items at the end only repeat what came before them.

    Zero unless a phrase of any length takes at least ``MIN_TURNS`` turns at the
    end, the last of which may be cut short.
    """
    n = len(items)
    for period in range(1, n // MIN_TURNS + 1):
        n_same = 0
        while n_same < n - period and items[n - 1 - n_same] == items[n - 1 - n_same - period]:
            n_same += 1
        if n_same >= (MIN_TURNS - 1) * period:
            return n_same
    return 0


def first_turn(items: list[int]) -> list[int]:
    """``items`` with the cycle at its end cut to one turn."""
    return items[: len(items) - length_of_cycle(items)]
