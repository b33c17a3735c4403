"""What was said beside what was heard, to be read: what differs is what was counted."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import jiwer

from asr_core.testbench.normalise import Normalised, normalised, written_words
from asr_core.transcript import Word

__all__ = ["Aligned", "aligned"]


@dataclass(frozen=True)
class Aligned:
    """Words that were said beside those heard there: as few as the numbers in them allow.

    Attributes:
        said: as written; empty where nothing was said.
        heard: empty where it was left out.
        errors: how many of those counted are here; none where both say the same, however it
            is written, and where the normaliser leaves out what is written.
        right: of each word of ``heard``, whether no error is in it.
        start_s: when it was heard; of what was left out, when the last word ended.
    """

    said: str
    heard: tuple[Word, ...]
    errors: int
    right: tuple[bool, ...]
    start_s: float


Places = tuple[int, int]
"""The first of some written words, and the one after the last; the same where there is none."""


class _Column(NamedTuple):
    """A step of jiwer's alignment, or several, with the written words that they come from."""

    said: Places
    heard: Places
    wrong: tuple[Places, ...]

    def overlaps(self, after: _Column) -> bool:
        """Whether a written word of this one is in the one after it, too."""
        return after.said[0] < self.said[1] or after.heard[0] < self.heard[1]

    def with_next(self, after: _Column) -> _Column:
        """Return this one and the one after it as one."""
        return _Column(
            (self.said[0], max(self.said[1], after.said[1])),
            (self.heard[0], max(self.heard[1], after.heard[1])),
            self.wrong + after.wrong,
        )


def aligned(said: str, heard: Sequence[Word], language: str) -> list[Aligned]:
    """Return the alignment that ``score`` counts errors of, in the words as they were written."""
    text = "".join(word.text for word in heard)
    reference, hypothesis = normalised(said, language), normalised(text, language)
    written = written_words(said)
    said_places = _places(reference, [start for start, _ in written])
    heard_places = _places(hypothesis, [0, *accumulate(len(word.text) for word in heard)][:-1])
    columns = _merged(_columns(_steps(reference, hypothesis), said_places, heard_places))
    pairs: list[Aligned] = []
    last_end = 0.0
    for column in _with_uncounted(columns, len(written), len(heard)):
        first, end = column.said
        words = tuple(heard[slice(*column.heard)])
        wrong = {place for places in column.wrong for place in range(*places)}
        pairs.append(
            Aligned(
                said[written[first][0] : written[end - 1][1]] if first < end else "",
                words,
                len(column.wrong),
                tuple(place not in wrong for place in range(*column.heard)),
                words[0].start if words else last_end,
            )
        )
        last_end = words[-1].end if words else last_end
    return pairs


def _places(text: Normalised, starts: Sequence[int]) -> list[Places]:
    """Return of each word of ``text`` the written words it comes from, by where those start."""
    return [
        (bisect_right(starts, start) - 1, bisect_left(starts, end))
        for start, end in zip(text.starts, text.ends, strict=True)
    ]


def _steps(reference: Normalised, hypothesis: Normalised) -> Iterator[tuple[str, int, int]]:
    """Yield jiwer's kind of each step and the places of its words."""
    [chunks] = jiwer.process_words(reference.text, hypothesis.text).alignments
    for chunk in chunks:
        n_said = chunk.ref_end_idx - chunk.ref_start_idx
        n_heard = chunk.hyp_end_idx - chunk.hyp_start_idx
        for k in range(max(n_said, n_heard)):
            yield chunk.type, chunk.ref_start_idx + k, chunk.hyp_start_idx + k


def _columns(
    steps: Iterable[tuple[str, int, int]], said: Sequence[Places], heard: Sequence[Places]
) -> Iterator[_Column]:
    said_end = heard_end = 0
    for kind, i, j in steps:
        at_said = (said_end, said_end) if kind == "insert" else said[i]
        at_heard = (heard_end, heard_end) if kind == "delete" else heard[j]
        yield _Column(at_said, at_heard, () if kind == "equal" else (at_heard,))
        said_end, heard_end = max(said_end, at_said[1]), max(heard_end, at_heard[1])


def _merged(columns: Iterable[_Column]) -> Iterator[_Column]:
    """Yield ``columns``, those together that share a written word."""
    last: _Column | None = None
    for column in columns:
        if last is not None and last.overlaps(column):
            last = last.with_next(column)
        else:
            if last is not None:
                yield last
            last = column
    if last is not None:
        yield last


def _with_uncounted(columns: Iterable[_Column], n_said: int, n_heard: int) -> Iterator[_Column]:
    """Yield ``columns`` and between them the written words that the normaliser leaves out."""
    said_end = heard_end = 0
    for column in [*columns, _Column((n_said, n_said), (n_heard, n_heard), ())]:
        if said_end < column.said[0]:
            yield _Column((said_end, column.said[0]), (heard_end, heard_end), ())
        if heard_end < column.heard[0]:
            yield _Column((column.said[0],) * 2, (heard_end, column.heard[0]), ())
        said_end, heard_end = column.said[1], column.heard[1]
        if column.said[0] < said_end or column.heard[0] < heard_end:
            yield column
