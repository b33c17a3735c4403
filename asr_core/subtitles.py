"""Words into the cues of subtitles, as viewers can read them.

At most two lines of 42 characters, not faster than 17 characters a second where
the pauses allow, breaks at sentences and commas rather than within (the house rules
of broadcasters, such as the BBC's Subtitle Guidelines).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from asr_core.lines import ends_sentence
from asr_core.transcript import Segment, Transcript, Word, join_words

__all__ = ["MAX_CUE_S", "MAX_LINE_CHARACTERS", "Cue", "cues"]

MAX_LINE_CHARACTERS = 42
MAX_CUE_S = 7.0
CHARACTERS_PER_SECOND = 17.0
MIN_CUE_S = 1.0

_CLAUSE_ENDS = (",", ";", ":", "–", "—", "、", "，", "；")


@dataclass(frozen=True)
class Cue:
    """What stands on the screen from ``start`` to ``end``, seconds; one line or two."""

    start: float
    end: float
    lines: tuple[str, ...]


def cues(transcript: Transcript) -> list[Cue]:
    """The cues of a transcript; they follow one another and do not overlap."""
    parts = [part for segment in transcript.segments for part in _parts(segment)]
    shown = [Cue(part.start, part.end, _two_lines(part.words)) for part in parts]
    starts = [*(cue.start for cue in shown), float("inf")]
    return [_readable(cue, after) for cue, after in zip(shown, starts[1:], strict=True)]


def _parts(segment: Segment) -> Iterator[Segment]:
    """Cut a segment into cues: as few as fit, at the best places."""
    words = list(segment.words)
    while words:
        n = _n_that_fit(words)
        if n < len(words):
            n = _best_end(words, n)
        yield Segment.of(words[:n])
        words = words[n:]


def _n_that_fit(words: Sequence[Word]) -> int:
    for n in range(1, len(words) + 1):
        too_long = max(map(len, _two_lines(words[:n]))) > MAX_LINE_CHARACTERS
        if n > 1 and (too_long or words[n - 1].end - words[0].start > MAX_CUE_S):
            return n - 1
    return len(words)


def _best_end(words: Sequence[Word], most: int) -> int:
    """After how many words to cut: a sentence, a clause, or the widest pause, in the
    later half of what fits."""
    later = range(max(1, (most + 1) // 2), most + 1)
    for is_end in (ends_sentence, lambda text: text.endswith(_CLAUSE_ENDS)):
        ends = [n for n in later if is_end(words[n - 1].text)]
        if ends:
            return ends[-1]
    return max(later, key=lambda n: (words[n].start - words[n - 1].end, n))


def _two_lines(words: Sequence[Word]) -> tuple[str, ...]:
    """One line if it fits, else two of which neither is longer than needed."""
    whole = join_words(words)
    if len(whole) <= MAX_LINE_CHARACTERS or len(words) == 1:
        return (whole,)
    pairs = [(join_words(words[:n]), join_words(words[n:])) for n in range(1, len(words))]

    def ugliness(pair: tuple[str, str]) -> tuple[bool, int]:
        first, second = map(len, pair)
        bonus = 10 if pair[0].endswith(_CLAUSE_ENDS) or ends_sentence(pair[0]) else 0
        return max(first, second) > MAX_LINE_CHARACTERS, abs(first - second) - bonus

    return min(pairs, key=ugliness)


def _readable(cue: Cue, next_start: float) -> Cue:
    """Leave a cue standing until it can be read, but not into the next one."""
    n_characters = sum(map(len, cue.lines))
    needed_s = min(MAX_CUE_S, max(MIN_CUE_S, n_characters / CHARACTERS_PER_SECOND))
    return replace(cue, end=min(max(cue.end, cue.start + needed_s), max(cue.end, next_start)))
