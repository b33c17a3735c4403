"""Utterances that a hypothesis skipped: voices for which it has no words.

Where another voice or another loudness begins within a window, Whisper may leave out
all that one of them says. Heard alone, it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from asr_core.fullcontext.segment import SpokenWindow
from asr_core.repetition import is_crammed
from asr_core.transcript import Word, normalised

__all__ = ["merged", "missed"]

MISSED_S = 1.5
"""Of voices without a word. The longest pauses that alignment leaves within what was
written are shorter."""

AROUND_S = 0.2
"""Is heard with it on either side: words begin softly."""


def missed(spoken: SpokenWindow, words: Sequence[Word]) -> list[SpokenWindow]:
    """The stretches of ``spoken`` in which somebody speaks and no word of ``words`` lies.

    ``words`` are in order, in seconds from the window's first sample. A window without
    any words is not asked about again.
    """
    if not words:
        return []
    edges = [0.0, *(t for word in words for t in (word.start, word.end)), spoken.seconds]
    gaps = [(a, b) for i, (a, b) in enumerate(pairwise(edges)) if i % 2 == 0]
    return [
        spoken.part(max(0.0, a - AROUND_S), min(spoken.seconds, b + AROUND_S))
        for a, b in gaps
        if b > a and spoken.part(a, b).speech_s >= MISSED_S
    ]


def merged(words: Sequence[Word], found: Sequence[Word]) -> tuple[Word, ...]:
    """Return ``words`` with those ``found`` in a stretch between them, in order of time.

    Without, if they stand there already: beside a gap in which the alignment went astray, and
    crammed there. What stands beside it and took its time was said twice.

    Both are in order and on one clock, and so is the result.
    """
    if not found:
        return tuple(words)
    at = sum(word.start < found[0].start for word in words)
    n = len(found)
    beside = words[max(0, at - n) : at + n]
    if _stand_there(found, beside):
        return tuple(words)
    low = words[at - 1].end if at else found[0].start
    high = words[at].start if at < len(words) else found[-1].end
    fitted = (_within(word, low, max(low, high)) for word in found)
    return (*words[:at], *fitted, *words[at:])


def _stand_there(found: Sequence[Word], beside: Sequence[Word]) -> bool:
    texts = {normalised(word.text) for word in found}
    same = [word for word in beside if normalised(word.text) in texts]
    known = {normalised(word.text) for word in same}
    n_known = sum(normalised(word.text) in known for word in found)
    return n_known > len(found) / 2 and is_crammed(same)


def _within(word: Word, low: float, high: float) -> Word:
    start, end = (min(max(t, low), high) for t in (word.start, word.end))
    return replace(word, start=start, end=end)
