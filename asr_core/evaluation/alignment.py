"""Word alignment of reference and hypothesis for display, consistent with the error counts."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import jiwer

from asr_core.evaluation.normalise import NormalisedText, normalise_text, word_spans
from asr_core.transcript import Word

__all__ = ["AlignedWord", "align"]


@dataclass(frozen=True)
class AlignedWord:
    """Reference word and the hypothesis words aligned with it.

    Numbers can join several words on either side: "twenty five" aligns with "25".

    Attributes:
        reference: as written; empty for an insertion.
        hypothesis: empty for a deletion.
        n_errors: errors counted here; 0 where both sides normalise to the same text, and for
            words that the normaliser drops.
        is_correct: for each word of ``hypothesis``, whether no error falls on it.
        start_s: start of the hypothesis, or for a deletion the end of the word before.
    """

    reference: str
    hypothesis: tuple[Word, ...]
    n_errors: int
    is_correct: tuple[bool, ...]
    start_s: float


WordRange = tuple[int, int]
"""Start and end index (exclusive) among the written words; equal for an empty range."""


class _Column(NamedTuple):
    """Alignment steps of jiwer, one or more, with the written words they come from."""

    reference: WordRange
    hypothesis: WordRange
    errors: tuple[WordRange, ...]

    def overlaps(self, after: _Column) -> bool:
        """Return whether ``after``, the next column, shares a written word with this one."""
        return after.reference[0] < self.reference[1] or after.hypothesis[0] < self.hypothesis[1]

    def merge(self, after: _Column) -> _Column:
        """Return this column and the next as one."""
        return _Column(
            (self.reference[0], max(self.reference[1], after.reference[1])),
            (self.hypothesis[0], max(self.hypothesis[1], after.hypothesis[1])),
            self.errors + after.errors,
        )


def align(reference: str, hypothesis: Sequence[Word], language: str) -> list[AlignedWord]:
    """Return the alignment on which ``score`` counts errors, in the words as written."""
    expected = normalise_text(reference, language)
    found = normalise_text("".join(word.text for word in hypothesis), language)
    written = word_spans(reference)
    hypothesis_starts = [0, *accumulate(len(word.text) for word in hypothesis)][:-1]
    columns = _merge_overlapping(
        _columns(
            _steps(expected, found),
            _word_ranges(expected, [start for start, _ in written]),
            _word_ranges(found, hypothesis_starts),
        )
    )
    pairs: list[AlignedWord] = []
    last_end = 0.0
    for column in _with_dropped_words(columns, len(written), len(hypothesis)):
        first, end = column.reference
        words = tuple(hypothesis[slice(*column.hypothesis)])
        wrong = {place for places in column.errors for place in range(*places)}
        pairs.append(
            AlignedWord(
                reference[written[first][0] : written[end - 1][1]] if first < end else "",
                words,
                len(column.errors),
                tuple(place not in wrong for place in range(*column.hypothesis)),
                words[0].start if words else last_end,
            )
        )
        last_end = words[-1].end if words else last_end
    return pairs


def _word_ranges(text: NormalisedText, starts: Sequence[int]) -> list[WordRange]:
    """Return the written words behind each normalised word.

    Args:
        text: the normalised text.
        starts: of the written words, in characters of the source.
    """
    return [
        (bisect_right(starts, start) - 1, bisect_left(starts, end))
        for start, end in zip(text.starts, text.ends, strict=True)
    ]


def _steps(reference: NormalisedText, hypothesis: NormalisedText) -> Iterator[tuple[str, int, int]]:
    """Yield each alignment step: jiwer's type and the two word indices."""
    [chunks] = jiwer.process_words(reference.text, hypothesis.text).alignments
    for chunk in chunks:
        n_reference = chunk.ref_end_idx - chunk.ref_start_idx
        n_hypothesis = chunk.hyp_end_idx - chunk.hyp_start_idx
        for k in range(max(n_reference, n_hypothesis)):
            yield chunk.type, chunk.ref_start_idx + k, chunk.hyp_start_idx + k


def _columns(
    steps: Iterable[tuple[str, int, int]],
    reference: Sequence[WordRange],
    hypothesis: Sequence[WordRange],
) -> Iterator[_Column]:
    reference_end = hypothesis_end = 0
    for step, i, j in steps:
        a = (reference_end, reference_end) if step == "insert" else reference[i]
        b = (hypothesis_end, hypothesis_end) if step == "delete" else hypothesis[j]
        yield _Column(a, b, () if step == "equal" else (b,))
        reference_end, hypothesis_end = max(reference_end, a[1]), max(hypothesis_end, b[1])


def _merge_overlapping(columns: Iterable[_Column]) -> Iterator[_Column]:
    """Yield ``columns``, merging neighbours that share a written word."""
    last: _Column | None = None
    for column in columns:
        if last is not None and last.overlaps(column):
            last = last.merge(column)
        else:
            if last is not None:
                yield last
            last = column
    if last is not None:
        yield last


def _with_dropped_words(
    columns: Iterable[_Column], n_reference: int, n_hypothesis: int
) -> Iterator[_Column]:
    """Yield ``columns`` with the written words between them that the normaliser drops."""
    end = _Column((n_reference, n_reference), (n_hypothesis, n_hypothesis), ())
    reference_end = hypothesis_end = 0
    for column in [*columns, end]:
        if reference_end < column.reference[0]:
            dropped = (reference_end, column.reference[0])
            yield _Column(dropped, (hypothesis_end, hypothesis_end), ())
        if hypothesis_end < column.hypothesis[0]:
            dropped = (hypothesis_end, column.hypothesis[0])
            yield _Column((column.reference[0],) * 2, dropped, ())
        reference_end, hypothesis_end = column.reference[1], column.hypothesis[1]
        if column.reference[0] < reference_end or column.hypothesis[0] < hypothesis_end:
            yield column
