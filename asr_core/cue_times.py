"""When each cue stands on the screen: in order, one at a time, and for long enough to be read.

All times are whole milliseconds, as subtitle formats write them, so that no rounding makes
cues overlap or vanish.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "CHARACTERS_PER_SECOND",
    "FASTEST",
    "LEAD_S",
    "MAX_CUE_S",
    "MIN_CUE_S",
    "SHORTEST_S",
    "WORD_LEAD_S",
    "Spoken",
    "times",
]

MAX_CUE_S = 7.0
"""Longest time for a cue (Netflix's Timed Text Style Guide, General Requirements)."""

MIN_CUE_S, CHARACTERS_PER_SECOND = 1.0, 17.0
"""What a reader likes: taken from pauses (the guide has 5/6 s, and 17 for English templates)."""

SHORTEST_S, FASTEST = 0.5, 20.0
"""What a reader needs, the latter in characters a second: taken from neighbours, too."""

LEAD_S = 0.5
WORD_LEAD_S = 0.1
"""At most so long before its first word a cue comes up if it is short of time otherwise; the
latter where the times of words are what is wanted (three frames, as the guide allows)."""

_LEAST_MS = 100  # what lasts less was given no time by the alignment
_LENT_MS = 250  # to such a word, of a neighbour's time


@dataclass(frozen=True)
class Spoken:
    """The sound that a cue is for.

    Attributes:
        start, end: seconds.
        width: of its text, in characters of the Latin script.
    """

    start: float
    end: float
    width: float

    @property
    def wanted_ms(self) -> int:
        """The time in which it is read at ease."""
        seconds = max(MIN_CUE_S, self.width / CHARACTERS_PER_SECOND)
        return round(1000 * min(MAX_CUE_S, seconds))

    @property
    def needed_ms(self) -> int:
        """The time in which it can be read."""
        seconds = max(SHORTEST_S, self.width / FASTEST)
        return round(1000 * min(MAX_CUE_S, seconds))


@dataclass
class _Shown:
    """A cue's time as it is being settled, milliseconds.

    Attributes:
        heard_until: until when it has to stand for its sound.
        wanted, needed: as ``Spoken`` has them.
        has_time: its sound was given some.
    """

    start: int
    end: int
    heard_until: int
    wanted: int
    needed: int
    has_time: bool

    @property
    def length(self) -> int:
        return self.end - self.start


def times(
    spoken: Sequence[Spoken], duration_s: float, lead_s: float = LEAD_S
) -> list[tuple[float, float]]:
    """Return when the cues of ``spoken`` begin and end, seconds.

    Each lasts, none begins before the one before it ends, all are within the file. A cue covers
    its sound, but for what it lends to a neighbour that has none, or shares with one that is
    spoken at the same time.

    Args:
        spoken: in the order of their starts.
        duration_s: of the file; 0 if it is unknown.
        lead_s: by how much a cue may come before its sound.
    """
    if not spoken:
        return []
    until = math.floor(1000 * duration_s + 1e-6) or max(_ms(each.end) for each in spoken)
    until = max(until, len(spoken))
    shown = _placed(spoken, until)
    for i in range(len(shown) - 1):
        _share(shown[i], shown[i + 1], shown[i + 2].start if i + 2 < len(shown) else until)
    for one, next_start in zip(shown, [*(each.start for each in shown[1:]), until], strict=True):
        one.heard_until = one.end
        one.end = max(one.end, min(one.start + one.wanted, next_start))
    _begin_earlier(shown, _ms(lead_s))
    for one, other in itertools.pairwise(shown):
        _lend(one, other)
    return [(each.start / 1000, each.end / 1000) for each in shown]


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def _placed(spoken: Sequence[Spoken], until: int) -> list[_Shown]:
    """The sounds, within the file, each beginning some time after the one before."""
    least = max(1, min(_LEAST_MS, until // len(spoken)))
    starts: list[int] = []
    for each in spoken:
        earliest = starts[-1] + least if starts else 0
        starts.append(max(earliest, _ms(each.start)))
    latest = until
    for i in reversed(range(len(starts))):
        latest = starts[i] = min(starts[i], latest - least)
    ends = [
        min(until, max(start + least, _ms(each.end)))
        for start, each in zip(starts, spoken, strict=True)
    ]
    return [
        _Shown(
            start,
            end,
            end,
            each.wanted_ms,
            each.needed_ms,
            has_time=_ms(each.end - each.start) >= _LEAST_MS,
        )
        for start, end, each in zip(starts, ends, spoken, strict=True)
    ]


def _share(one: _Shown, other: _Shown, after: int) -> None:
    """Where two are spoken at once, change from one to the other when the first is read."""
    if one.end <= other.start:
        return
    latest = min(one.end, max(other.end - other.needed, other.start), after - 1)
    one.end = other.start = max(other.start, min(one.start + one.wanted, latest))
    other.end = max(other.end, other.start + 1)


def _begin_earlier(shown: Sequence[_Shown], lead: int) -> None:
    """Take the pause before those that are too short with the one after."""
    free_from = 0
    for i, one in enumerate(shown):
        if one.length < one.needed:
            earliest = max(free_from, one.start - lead, one.end - one.needed)
            one.start = min(one.start, earliest)
            if i:
                shown[i - 1].end = min(shown[i - 1].end, one.start)
        free_from = min(one.end, max(one.heard_until, one.start + one.needed))


def _lend(one: _Shown, other: _Shown) -> None:
    """Give one of two neighbours, if its sound has no time, what the other can spare."""
    if one.end < other.start:
        return
    for short, long, sign in ((one, other, 1), (other, one, -1)):
        missing = _ms(SHORTEST_S) - short.length
        spare = long.length - long.needed
        if not short.has_time and missing > 0 and spare > 0:
            lent = sign * min(missing, spare, _LENT_MS)
            one.end += lent
            other.start += lent
