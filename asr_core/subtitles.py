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
from dataclasses import dataclass, replace

from asr_core.cue_times import (
    CHARACTERS_PER_SECOND,
    FASTEST,
    LEAD_S,
    MAX_CUE_S,
    MIN_CUE_S,
    SHORTEST_S,
    WORD_LEAD_S,
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
_AFTER_ABBREVIATION = 6.0
_PAUSE_IS_WORTH = 4.0  # a second, at most two
_TWO_SENTENCES = 2.0


@dataclass(frozen=True)
class Cue:
    """What stands on the screen from ``start`` to ``end``, seconds; one line or two.

    Attributes:
        speaker: who says it, where speakers are told apart; the first line has room for the name.
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
        room: of the text with it.
        is_sentence: a sentence ends with it.
    """

    text: str
    start: float
    end: float
    width: float
    room: float
    is_sentence: bool

    @property
    def is_clause(self) -> bool:
        return self.text.rstrip().endswith(_CLAUSE_ENDS)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a cue shows.

    Attributes:
        indent: the room that the speaker's name takes.
    """

    pieces: Sequence[_Piece]
    speaker: str | None
    indent: float

    @property
    def start(self) -> float:
        return self.pieces[0].start

    @property
    def spoken(self) -> Spoken:
        end = max(piece.end for piece in self.pieces)
        return Spoken(self.start, end, self.indent + _width(self.pieces))


def cues(transcript: Transcript) -> list[Cue]:
    """Return the cues of a transcript; they follow one another and do not overlap.

    A segment has its own cues, but short ones that could not be read alone share one. Where all
    segments are single words, each stays alone: their times are what is wanted.
    """
    parts = sorted(_parts(transcript), key=lambda part: part.start)
    lead_s = WORD_LEAD_S if _is_word_by_word(transcript.segments) else LEAD_S
    shown = times([part.spoken for part in parts], transcript.duration, lead_s)
    return [
        Cue(start, end, _two_lines(part.pieces, part.indent), part.speaker)
        for part, (start, end) in zip(parts, shown, strict=True)
    ]


def _parts(transcript: Transcript) -> Iterator[_Part]:
    segments = sorted(transcript.segments, key=lambda segment: segment.start)
    runs = [(_name(run), _pieces(run, transcript.language)) for run in _runs(segments)]
    runs = [(speaker, pieces) for speaker, pieces in runs if pieces]
    ends = [0.0, *(pieces[-1].end for _, pieces in runs)]
    starts = [*(pieces[0].start for _, pieces in runs[1:]), transcript.duration or math.inf]
    for (speaker, pieces), end_before, start_after in zip(runs, ends, starts, strict=False):
        indent = width(label(speaker))
        for begin, end in _cuts(pieces, indent, end_before, start_after):
            yield _Part(pieces[begin:end], speaker, indent)


def _is_word_by_word(segments: Sequence[Segment]) -> bool:
    return all(len(segment.words) == 1 for segment in segments)


def _name(run: Sequence[Segment]) -> str | None:
    return " ".join(plain(run[0].speaker or "").split()) or None


def _runs(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    """Segments that may share cues: those of one speaker between two pauses."""
    are_words = _is_word_by_word(segments)
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
    """The text of segments in pieces, none of which begins before the one before it."""
    pieces: list[_Piece] = []
    for segment in segments:
        for piece in _pieces_of(segment, segment.language or language):
            start = max(piece.start, pieces[-1].start if pieces else 0.0)
            pieces.append(replace(piece, start=start, end=max(start, piece.end)))
    return pieces


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
            width(bare + space),
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


def _cuts(
    pieces: Sequence[_Piece], indent: float, end_before: float, start_after: float
) -> Iterator[tuple[int, int]]:
    """Cut pieces into cues where it costs least (dynamic programming over the cuts).

    Args:
        indent: room that is taken in each first line.
        end_before, start_after: of what is said around them.

    Yields:
        The first piece of a cue, and the one after its last.
    """
    n = len(pieces)
    sentences = [0, *itertools.accumulate(piece.is_sentence for piece in pieces)]
    next_starts = [*(piece.start for piece in pieces[1:]), start_after]
    latest = [max(start, piece.end) for start, piece in zip(next_starts, pieces, strict=True)]
    cut_costs = [_cut(piece, end) for piece, end in zip(pieces, latest, strict=True)]
    costs, begins = [0.0, *[math.inf] * n], [0] * (n + 1)
    for i in range(n):
        before = pieces[i - 1].end if i else end_before
        earliest = min(max(before, pieces[i].start - LEAD_S), pieces[i].start)
        for j, characters in _that_fit(pieces, i, indent):
            cost = costs[i] + 1 + _haste(characters, latest[j - 1] - earliest)
            cost += _TWO_SENTENCES * (sentences[j - 1] - sentences[i]) + cut_costs[j - 1]
            if cost < costs[j]:
                costs[j], begins[j] = cost, i
    cuts = [n]
    while cuts[-1]:
        cuts.append(begins[cuts[-1]])
    for end, begin in reversed(list(itertools.pairwise(cuts))):
        yield begin, end


def _that_fit(pieces: Sequence[_Piece], first: int, indent: float) -> Iterator[tuple[int, float]]:
    """After which pieces a cue that begins with the ``first`` may end, and its characters."""
    is_second, line, characters = False, indent, indent
    latest = pieces[first].start + MAX_CUE_S
    for i in range(first, len(pieces)):
        piece = pieces[i]
        if i > first:
            is_full = line + piece.width > MAX_WIDTH
            if piece.end > latest or (is_full and is_second):
                return
            if is_full:
                is_second, line = True, 0.0
        yield i + 1, characters + piece.width
        line += piece.room
        characters += piece.room


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
    if last.text.rstrip().endswith("."):
        return _AFTER_ABBREVIATION
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
