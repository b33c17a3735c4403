"""Words into the cues of subtitles, as viewers can read them.

At most two lines of 42 characters (sixteen in Chinese, Japanese and Korean), not faster than
17 characters a second where the pauses allow, breaks at sentences and clauses rather than
within: the rules of broadcasters (BBC Subtitle Guidelines; Netflix Timed Text Style Guide,
General Requirements and those of each language).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asr_core.cue_times import (
    CHARACTERS_PER_SECOND,
    FASTEST,
    LEAD_S,
    MAX_CUE_S,
    MIN_CUE_S,
    SHORTEST_S,
    Spoken,
    times,
)
from asr_core.line_breaks import MAX_WIDTH, breakable, is_spaceless, width
from asr_core.lines import PAUSE_S
from asr_core.plain_text import plain
from asr_core.sentences import is_end
from asr_core.transcript import Segment, Transcript

__all__ = ["Cue", "cues", "label"]

_CLAUSE_ENDS = (",", ";", ":", "–", "—", "、", "，", "；", "：", "،", "؛")

_NO_BREAK = "\u00a0\u202f"  # before French punctuation, within numbers
_REACH = 16  # pieces before the end of a sentence that tell whether it is one

# What a cut costs, against one cue more (1): the least in sum is chosen.
_UNREADABLE, _MORE_UNREADABLE = 10.0, 50.0  # too short or too fast; for each time its limit
_HASTY = 2.0  # for the share of the time that is missing to read it at ease
_WITHIN_CLAUSE, _AFTER_CLAUSE = 3.0, 1.0  # where no sentence ends
_PAUSE_IS_WORTH = 4.0  # a second, at most two
_TWO_SENTENCES = 2.0


@dataclass(frozen=True)
class Cue:
    """What stands on the screen from ``start`` to ``end``, seconds; one line or two.

    The first has room for the name of the ``speaker``, if there is one.
    """

    start: float
    end: float
    lines: tuple[str, ...]
    speaker: str | None = None

    @property
    def label(self) -> str:
        """What stands before the first line where voices cannot be marked otherwise."""
        return label(self.speaker)


def label(speaker: str | None) -> str:
    """Return what is written before the words of a speaker."""
    return f"{speaker}: " if speaker else ""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of text that stays together.

    Attributes:
        text: with the space after it.
        start, end: seconds.
        width: of the text without the space.
        is_sentence: a sentence ends with it.
    """

    text: str
    start: float
    end: float
    width: float
    is_sentence: bool

    @property
    def room(self) -> float:
        """Its width with the space."""
        return self.width + self.text.endswith(" ")

    @property
    def is_clause(self) -> bool:
        return self.text.rstrip().endswith(_CLAUSE_ENDS)


def cues(transcript: Transcript) -> list[Cue]:
    """Return the cues of a transcript; they follow one another and do not overlap.

    A segment has its own cues, but short ones that could not be read alone share one. Where all
    segments are single words, each stays alone: their times are what is wanted. So do the
    segments of different speakers, who take turns where they speak at once.
    """
    segments = sorted(transcript.segments, key=lambda segment: segment.start)
    told = [(run[0].speaker, _pieces(run, transcript.language)) for run in _runs(segments)]
    speakers = [speaker for speaker, run in told if run]
    runs = [run for _, run in told if run]
    starts = [*(run[0].start for run in runs), transcript.duration or math.inf]
    ends = [0.0, *(run[-1].end for run in runs)]
    by_speaker = [
        (speaker, part)
        for speaker, run, end_before, start_after in zip(
            speakers, runs, ends, starts[1:], strict=False
        )
        for part in _parts(run, end_before, start_after, width(label(speaker)))
    ]
    by_speaker.sort(key=lambda each: each[1][0].start)
    parts = [part for _, part in by_speaker]
    spoken = [
        Spoken(part[0].start, max(piece.end for piece in part), _width(part)) for part in parts
    ]
    shown = times(spoken, transcript.duration)
    return [
        Cue(start, end, _two_lines(part, width(label(speaker))), speaker)
        for (speaker, part), (start, end) in zip(by_speaker, shown, strict=True)
    ]


def _runs(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    """Segments that may share cues: those between two pauses."""
    are_words = all(len(segment.words) == 1 for segment in segments)
    run: list[Segment] = []
    for segment in segments:
        if run and (
            are_words or segment.speaker != run[-1].speaker or segment.start - run[-1].end > PAUSE_S
        ):
            yield run
            run = []
        run.append(segment)
    if run:
        yield run


def _pieces(segments: Sequence[Segment], language: str | None) -> list[_Piece]:
    return [
        piece for segment in segments for piece in _pieces_of(segment, segment.language or language)
    ]


def _pieces_of(segment: Segment, language: str | None) -> Iterator[_Piece]:
    """The text of a segment in pieces; a part of a word has its part of the word's time."""
    text, starts, ends = _characters(segment)
    if not width(text):
        return
    at = 0
    texts = breakable(text, language)
    for i, (piece, following) in enumerate(zip(texts, [*texts[1:], ""], strict=True)):
        bare = piece.rstrip()
        space = piece[len(bare) :] if following else " " * (not is_spaceless(bare[-1]))
        before = "".join(texts[max(0, i - _REACH) : i])
        yield _Piece(
            bare + space,
            starts[at],
            max(ends[at : at + len(bare)]),
            width(bare),
            not following or is_end(before + bare, space + following, language),
        )
        at += len(piece)


def _characters(segment: Segment) -> tuple[str, list[float], list[float]]:
    """The text of a segment without needless spaces, and when each character begins and ends."""
    text: list[str] = []
    starts: list[float] = []
    ends: list[float] = []
    for word in segment.words:
        written = plain(word.text)
        spaces = len(written) - len(written.lstrip())
        n = max(1, len(written.strip()))
        at = [word.start + (word.end - word.start) * i / n for i in range(n + 1)]
        for i, character in enumerate(written):
            is_space = character.isspace()
            if is_space and (not text or text[-1].isspace()):
                continue
            shown = " " if is_space and character not in _NO_BREAK else character
            k = min(max(i - spaces, 0), n - 1)
            text.append(shown)
            starts.append(at[k])
            ends.append(at[k + 1])
    return "".join(text).rstrip(), starts, ends


def _parts(
    pieces: Sequence[_Piece], end_before: float, start_after: float, indent: float
) -> Iterator[Sequence[_Piece]]:
    """Cut pieces into cues where it costs least (dynamic programming over the cuts).

    Args:
        end_before, start_after: of what is said around them.
        indent: room that is taken in each first line.
    """
    n = len(pieces)
    sentences = [0, *itertools.accumulate(piece.is_sentence for piece in pieces)]
    costs, begins = [0.0, *[math.inf] * n], [0] * (n + 1)
    for i in range(n):
        earliest = max(pieces[i - 1].end if i else end_before, pieces[i].start - LEAD_S)
        for j in _ends_that_fit(pieces, i, indent):
            latest = pieces[j].start if j < n else start_after
            room_s = max(latest, pieces[j - 1].end) - min(earliest, pieces[i].start)
            cost = costs[i] + 1 + _haste(_width(pieces[i:j]), room_s)
            cost += _TWO_SENTENCES * (sentences[j - 1] - sentences[i])
            cost += _cut(pieces[j - 1], latest)
            if cost < costs[j]:
                costs[j], begins[j] = cost, i
    cuts = [n]
    while cuts[-1]:
        cuts.append(begins[cuts[-1]])
    for end, begin in reversed(list(itertools.pairwise(cuts))):
        yield pieces[begin:end]


def _ends_that_fit(pieces: Sequence[_Piece], first: int, indent: float) -> Iterator[int]:
    """After which pieces a cue that begins with the ``first`` may end."""
    lines, room = 1, indent
    for i in range(first, len(pieces)):
        if room + pieces[i].width > MAX_WIDTH and room:
            lines, room = lines + 1, 0.0
        room += pieces[i].room
        is_long = pieces[i].end - pieces[first].start > MAX_CUE_S
        if i > first and (lines > 2 or is_long):
            return
        yield i + 1


def _haste(characters: float, room_s: float) -> float:
    """What it costs that a cue has no more than ``room_s`` seconds."""
    room_s = max(room_s, 0.001)
    wanted_s = max(MIN_CUE_S, characters / CHARACTERS_PER_SECOND)
    needed_s = max(SHORTEST_S, characters / FASTEST)
    cost = _HASTY * max(0.0, 1 - room_s / wanted_s)
    if room_s < needed_s:
        cost += _UNREADABLE + _MORE_UNREADABLE * (1 - room_s / needed_s)
    return cost


def _cut(last: _Piece, next_start: float) -> float:
    """What it costs to end a cue with a piece."""
    if last.is_sentence:
        return 0.0
    pause = _PAUSE_IS_WORTH * min(0.5, max(0.0, next_start - last.end))
    return max(0.0, (_AFTER_CLAUSE if last.is_clause else _WITHIN_CLAUSE) - pause)


def _width(pieces: Sequence[_Piece]) -> float:
    return sum(piece.room for piece in pieces[:-1]) + pieces[-1].width


def _text(pieces: Sequence[_Piece]) -> str:
    return "".join(piece.text for piece in pieces).strip()


def _two_lines(pieces: Sequence[_Piece], indent: float) -> tuple[str, ...]:
    """One line if it fits, else two of which neither is longer than needed."""
    if indent + _width(pieces) <= MAX_WIDTH or len(pieces) == 1:
        return (_text(pieces),)

    def ugliness(n: int) -> tuple[bool, float]:
        first, second = indent + _width(pieces[:n]), _width(pieces[n:])
        bonus = 10 if pieces[n - 1].is_clause or pieces[n - 1].is_sentence else 0
        return max(first, second) > MAX_WIDTH, abs(first - second) - bonus

    n = min(range(1, len(pieces)), key=ugliness)
    return _text(pieces[:n]), _text(pieces[n:])
