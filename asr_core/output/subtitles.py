"""Segmentation of words into subtitle cues that viewers can read.

The rules are those of broadcasters (BBC Subtitle Guidelines; Netflix Timed Text Style Guide,
General Requirements and those of each language): at most two lines of 42 characters (sixteen
in Chinese, Japanese and Korean), at most 17 characters a second where pauses allow, breaks
between sentences and clauses rather than within them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from asr_core.output.cue_timing import (
    LEAD_S,
    MAX_CPS,
    MAX_CUE_S,
    MIN_CUE_S,
    PREFERRED_CPS,
    PREFERRED_MIN_CUE_S,
    WORD_LEAD_S,
    CueSpeech,
    time_cues,
)
from asr_core.text.line_breaks import MAX_LINE_WIDTH, display_width, is_spaceless, split_at_breaks
from asr_core.text.plain_text import sanitise
from asr_core.text.segmentation import PAUSE_S
from asr_core.text.sentences import is_sentence_end
from asr_core.transcript import Segment, Transcript

__all__ = ["Cue", "make_cues", "speaker_label"]

_CLAUSE_ENDS = (",", ";", ":", "–", "—", "、", "，", "；", "：", "،", "؛")

_NO_BREAK = "\u00a0\u202f"  # before French punctuation, within numbers
_SENTENCE_CONTEXT = 16  # units before a possible sentence end that decide whether it is one

# Costs of the segmentation relative to one more cue (1.0); the smallest sum wins.
_TOO_FAST_COST = 10.0  # once below the readable time
_TOO_FAST_SLOPE = 50.0  # and by the share of it that is missing
_HURRIED_SLOPE = 2.0  # by the share missing to the comfortable time
_WITHIN_CLAUSE_COST, _AFTER_CLAUSE_COST = 3.0, 1.0  # breaks within a sentence
_AFTER_ABBREVIATION_COST = 6.0
_PAUSE_BONUS = 4.0  # per second of pause, for up to half a second
_TWO_SENTENCES_COST = 2.0  # per further sentence in a cue


@dataclass(frozen=True)
class Cue:
    """Subtitle of one or two lines, shown from ``start`` to ``end`` (seconds).

    Attributes:
        speaker: name, if speakers are known; the first line leaves room for it.
    """

    start: float
    end: float
    lines: tuple[str, ...]
    speaker: str | None = None

    @property
    def label(self) -> str:
        """Prefix of the first line in formats that cannot mark speakers."""
        return speaker_label(self.speaker)


def speaker_label(speaker: str | None) -> str:
    """Return the prefix of a speaker's text; empty if the speaker is unknown."""
    return f"{speaker}: " if speaker else ""


@dataclass(frozen=True, slots=True)
class _Unit:
    """Text within which a cue or line never breaks.

    Attributes:
        text: text with any space after it.
        start, end: seconds.
        width: width without that space.
        full_width: width with it.
        ends_sentence: whether a sentence ends here.
    """

    text: str
    start: float
    end: float
    width: float
    full_width: float
    ends_sentence: bool

    @property
    def ends_clause(self) -> bool:
        return self.text.rstrip().endswith(_CLAUSE_ENDS)


@dataclass(frozen=True, slots=True)
class _UntimedCue:
    """Cue before its display times are known.

    Attributes:
        indent: width of the speaker's label.
    """

    units: Sequence[_Unit]
    speaker: str | None
    indent: float

    @property
    def start(self) -> float:
        return self.units[0].start

    @property
    def speech(self) -> CueSpeech:
        end = max(unit.end for unit in self.units)
        return CueSpeech(self.start, end, self.indent + _width(self.units))


def make_cues(transcript: Transcript) -> list[Cue]:
    """Return the cues of a transcript, in order and without overlap.

    Segments become cues of their own, except that short ones that could not be read alone
    are joined. If all segments are single words, none are joined: their times matter most.
    """
    untimed = sorted(_untimed_cues(transcript), key=lambda cue: cue.start)
    lead_s = WORD_LEAD_S if _is_word_by_word(transcript.segments) else LEAD_S
    times = time_cues([cue.speech for cue in untimed], transcript.duration, lead_s)
    return [
        Cue(start, end, _break_lines(cue.units, cue.indent), cue.speaker)
        for cue, (start, end) in zip(untimed, times, strict=True)
    ]


def _untimed_cues(transcript: Transcript) -> Iterator[_UntimedCue]:
    segments = sorted(transcript.segments, key=lambda segment: segment.start)
    runs = [(_name(run), _run_units(run, transcript.language)) for run in _runs(segments)]
    runs = [(speaker, units) for speaker, units in runs if units]
    ends = [0.0, *(units[-1].end for _, units in runs)]
    starts = [*(units[0].start for _, units in runs[1:]), transcript.duration or math.inf]
    for (speaker, units), end_before, start_after in zip(runs, ends, starts, strict=False):
        indent = display_width(speaker_label(speaker))
        for begin, end in _best_cuts(units, indent, end_before, start_after):
            yield _UntimedCue(units[begin:end], speaker, indent)


def _is_word_by_word(segments: Sequence[Segment]) -> bool:
    return all(len(segment.words) == 1 for segment in segments)


def _name(run: Sequence[Segment]) -> str | None:
    return " ".join(sanitise(run[0].speaker or "").split()) or None


def _runs(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    """Yield runs of segments that may share cues: one speaker, no long pause."""
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


def _run_units(segments: Sequence[Segment], language: str | None) -> list[_Unit]:
    """Return the units of a run, with start times that never decrease."""
    units: list[_Unit] = []
    for segment in segments:
        for unit in _segment_units(segment, segment.language or language):
            start = max(unit.start, units[-1].start if units else 0.0)
            units.append(replace(unit, start=start, end=max(start, unit.end)))
    return units


def _segment_units(segment: Segment, language: str | None) -> Iterator[_Unit]:
    """Yield the units of a segment; parts of a word share the word's time."""
    text, starts, ends = _characters(segment)
    if not display_width(text):
        return
    at = 0
    texts = split_at_breaks(text, language)
    for i, (piece, following) in enumerate(zip(texts, [*texts[1:], ""], strict=True)):
        bare = piece.rstrip()
        space = piece[len(bare) :] if following else " " * (not is_spaceless(bare[-1]))
        before = "".join(texts[max(0, i - _SENTENCE_CONTEXT) : i])
        yield _Unit(
            bare + space,
            starts[at],
            max(ends[at : at + len(bare)]),
            display_width(bare),
            display_width(bare + space),
            not following or is_sentence_end(before + bare, space + following, language),
        )
        at += len(piece)


def _characters(segment: Segment) -> tuple[str, list[float], list[float]]:
    """Return a segment's text with spaces collapsed, and each character's start and end."""
    text: list[str] = []
    starts: list[float] = []
    ends: list[float] = []
    for word in segment.words:
        written = sanitise(word.text)
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


def _best_cuts(
    units: Sequence[_Unit], indent: float, end_before: float, start_after: float
) -> Iterator[tuple[int, int]]:
    """Divide units into cues at the least cost (dynamic programming over the cuts).

    Args:
        units: of one run.
        indent: width taken by the label in each first line.
        end_before: end of the speech before the units, seconds.
        start_after: start of the speech after them, seconds.

    Yields:
        The index of a cue's first unit, and the index after its last.
    """
    n = len(units)
    sentences = [0, *itertools.accumulate(unit.ends_sentence for unit in units)]
    next_starts = [*(unit.start for unit in units[1:]), start_after]
    latest = [max(start, unit.end) for start, unit in zip(next_starts, units, strict=True)]
    cut_costs = [_cut_cost(unit, end) for unit, end in zip(units, latest, strict=True)]
    costs, begins = [0.0, *[math.inf] * n], [0] * (n + 1)
    for i in range(n):
        before = units[i - 1].end if i else end_before
        earliest = min(max(before, units[i].start - LEAD_S), units[i].start)
        for j, characters in _fitting_ends(units, i, indent):
            cost = costs[i] + 1 + _speed_cost(characters, latest[j - 1] - earliest)
            cost += _TWO_SENTENCES_COST * (sentences[j - 1] - sentences[i]) + cut_costs[j - 1]
            if cost < costs[j]:
                costs[j], begins[j] = cost, i
    cuts = [n]
    while cuts[-1]:
        cuts.append(begins[cuts[-1]])
    for end, begin in reversed(list(itertools.pairwise(cuts))):
        yield begin, end


def _fitting_ends(units: Sequence[_Unit], first: int, indent: float) -> Iterator[tuple[int, float]]:
    """Yield each index at which a cue that starts at ``first`` may end, and its width."""
    is_second, line, characters = False, indent, indent
    latest = units[first].start + MAX_CUE_S
    for i in range(first, len(units)):
        unit = units[i]
        if i > first:
            is_full = line + unit.width > MAX_LINE_WIDTH
            if unit.end > latest or (is_full and is_second):
                return
            if is_full:
                is_second, line = True, 0.0
        yield i + 1, characters + unit.width
        line += unit.full_width
        characters += unit.full_width


def _speed_cost(characters: float, available_s: float) -> float:
    """Return the cost of a cue that can stay for at most ``available_s`` seconds."""
    available_s = max(available_s, 0.001)
    preferred_s = max(PREFERRED_MIN_CUE_S, characters / PREFERRED_CPS)
    required_s = max(MIN_CUE_S, characters / MAX_CPS)
    cost = _HURRIED_SLOPE * max(0.0, 1 - available_s / preferred_s)
    if available_s < required_s:
        cost += _TOO_FAST_COST + _TOO_FAST_SLOPE * (1 - available_s / required_s)
    return cost


def _cut_cost(last: _Unit, next_start: float) -> float:
    """Return the cost of ending a cue after ``last``."""
    if last.ends_sentence:
        return 0.0
    if last.text.rstrip().endswith("."):
        return _AFTER_ABBREVIATION_COST
    bonus = _PAUSE_BONUS * min(0.5, max(0.0, next_start - last.end))
    return max(0.0, (_AFTER_CLAUSE_COST if last.ends_clause else _WITHIN_CLAUSE_COST) - bonus)


def _width(units: Sequence[_Unit]) -> float:
    return sum(unit.full_width for unit in units[:-1]) + units[-1].width


def _text(units: Sequence[_Unit]) -> str:
    return "".join(unit.text for unit in units).strip()


def _break_lines(units: Sequence[_Unit], indent: float) -> tuple[str, ...]:
    """Return one line if it fits, otherwise two of similar width."""
    if indent + _width(units) <= MAX_LINE_WIDTH or len(units) == 1:
        return (_text(units),)

    def imbalance(n: int) -> tuple[bool, float]:
        first, second = indent + _width(units[:n]), _width(units[n:])
        bonus = 10 if units[n - 1].ends_clause or units[n - 1].ends_sentence else 0
        return max(first, second) > MAX_LINE_WIDTH, abs(first - second) - bonus

    n = min(range(1, len(units)), key=imbalance)
    return _text(units[:n]), _text(units[n:])
