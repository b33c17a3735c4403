"""Display times of subtitle cues: in order, without overlap, and long enough to read.

Times are whole milliseconds, the resolution of subtitle formats, so that rounding never makes
cues overlap or vanish.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "LEAD_S",
    "MAX_CPS",
    "MAX_CUE_S",
    "MIN_CUE_S",
    "PREFERRED_CPS",
    "PREFERRED_MIN_CUE_S",
    "WORD_LEAD_S",
    "CueSpeech",
    "time_cues",
]

MAX_CUE_S = 7.0
"""Longest display time (Netflix Timed Text Style Guide, General Requirements)."""

PREFERRED_MIN_CUE_S, PREFERRED_CPS = 1.0, 17.0
"""Comfortable display time and characters per second, filled up from pauses. (The guide has
5/6 s, and 17 for English templates.)"""

MIN_CUE_S, MAX_CPS = 0.5, 20.0
"""Readable minimum and characters per second, filled up from neighbouring cues too."""

LEAD_S = 0.5
"""Longest time a cue that would be too short may appear before its first word."""

WORD_LEAD_S = 0.1
"""The same for word-level cues, which are about exact times (three frames in the guide)."""

_MIN_ALIGNED_MS = 100  # a shorter word is one that the alignment gave no time
_MAX_LENT_MS = 250  # what such a word may get from a neighbour


@dataclass(frozen=True)
class CueSpeech:
    """Speech that a cue shows.

    Attributes:
        start, end: seconds.
        width: width of the text in Latin characters.
    """

    start: float
    end: float
    width: float

    @property
    def preferred_ms(self) -> int:
        """Comfortable reading time."""
        seconds = max(PREFERRED_MIN_CUE_S, self.width / PREFERRED_CPS)
        return round(1000 * min(MAX_CUE_S, seconds))

    @property
    def required_ms(self) -> int:
        """Shortest reading time."""
        seconds = max(MIN_CUE_S, self.width / MAX_CPS)
        return round(1000 * min(MAX_CUE_S, seconds))


@dataclass
class _CueTimes:
    """Times of a cue while they are being worked out, milliseconds.

    Attributes:
        speech_end: end of its speech, before which it must not disappear.
        preferred, required: reading times, see ``CueSpeech``.
        is_aligned: whether the alignment gave its speech any time.
    """

    start: int
    end: int
    speech_end: int
    preferred: int
    required: int
    is_aligned: bool

    @property
    def length(self) -> int:
        return self.end - self.start


def time_cues(
    speech: Sequence[CueSpeech], duration_s: float, lead_s: float = LEAD_S
) -> list[tuple[float, float]]:
    """Return start and end of each cue, seconds.

    Every cue has a positive length, none overlap, and all lie within the file. A cue covers
    its speech, except for what it lends to a neighbour without time or shares with
    overlapping speech.

    Args:
        speech: sorted by start.
        duration_s: length of the file; 0 if unknown.
        lead_s: how far a cue may start before its speech.
    """
    if not speech:
        return []
    limit = math.floor(1000 * duration_s + 1e-6) or max(_ms(each.end) for each in speech)
    limit = max(limit, len(speech))
    cues = _initial_times(speech, limit)
    for i in range(len(cues) - 1):
        _split_overlap(cues[i], cues[i + 1], cues[i + 2].start if i + 2 < len(cues) else limit)
    for cue, next_start in zip(cues, [*(each.start for each in cues[1:]), limit], strict=True):
        cue.speech_end = cue.end
        cue.end = max(cue.end, min(cue.start + cue.preferred, next_start))
    _start_earlier(cues, _ms(lead_s))
    for cue, following in itertools.pairwise(cues):
        _lend_time(cue, following)
    return [(each.start / 1000, each.end / 1000) for each in cues]


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def _initial_times(speech: Sequence[CueSpeech], limit: int) -> list[_CueTimes]:
    """Return the times of the speech, moved into the file and to distinct starts."""
    min_gap = max(1, min(_MIN_ALIGNED_MS, limit // len(speech)))
    starts: list[int] = []
    for each in speech:
        earliest = starts[-1] + min_gap if starts else 0
        starts.append(max(earliest, _ms(each.start)))
    latest = limit
    for i in reversed(range(len(starts))):
        latest = starts[i] = min(starts[i], latest - min_gap)
    ends = [
        min(limit, max(start + min_gap, _ms(each.end)))
        for start, each in zip(starts, speech, strict=True)
    ]
    return [
        _CueTimes(
            start,
            end,
            end,
            each.preferred_ms,
            each.required_ms,
            is_aligned=_ms(each.end - each.start) >= _MIN_ALIGNED_MS,
        )
        for start, end, each in zip(starts, ends, speech, strict=True)
    ]


def _split_overlap(cue: _CueTimes, following: _CueTimes, next_start: int) -> None:
    """Move the boundary of two overlapping cues to where the first has been read."""
    if cue.end <= following.start:
        return
    latest = min(cue.end, max(following.end - following.required, following.start), next_start - 1)
    cue.end = following.start = max(following.start, min(cue.start + cue.preferred, latest))
    following.end = max(following.end, following.start + 1)


def _start_earlier(cues: Sequence[_CueTimes], lead: int) -> None:
    """Extend cues that are too short into the time before them that nobody needs."""
    free_from = 0
    for i, cue in enumerate(cues):
        if cue.length < cue.required:
            earliest = max(free_from, cue.start - lead, cue.end - cue.required)
            cue.start = min(cue.start, earliest)
            if i:
                cues[i - 1].end = min(cues[i - 1].end, cue.start)
        free_from = min(cue.end, max(cue.speech_end, cue.start + cue.required))


def _lend_time(cue: _CueTimes, following: _CueTimes) -> None:
    """Give an unaligned cue the time that its neighbour can spare."""
    if cue.end < following.start:
        return
    for short, long, sign in ((cue, following, 1), (following, cue, -1)):
        missing = _ms(MIN_CUE_S) - short.length
        spare = long.length - long.required
        if not short.is_aligned and missing > 0 and spare > 0:
            lent = sign * min(missing, spare, _MAX_LENT_MS)
            cue.end += lent
            following.start += lent
