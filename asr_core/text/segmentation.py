"""Segmentation: words into segments that end with a sentence or at a pause."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from asr_core.text.line_breaks import split_at_breaks
from asr_core.text.sentences import ends_sentence
from asr_core.transcript import Segment, Word

__all__ = ["is_segment_end", "rejoin_segments", "split_into_segments"]

PAUSE_S = 1.0  # longer gaps between words end a segment

PAUSE_AFTER_FULL_STOP_S = 3.0
"""The same after a full stop that ends no sentence: "Mr." belongs to the name that follows."""

MAX_SEGMENT_S = 20.0


def split_into_segments(words: Iterable[Word], language: str | None = None) -> Iterator[Segment]:
    """Split consecutive ``words`` into segments; every word is in one of them."""
    line: list[Word] = []
    for word in words:
        if line and is_segment_end(line, word, language):
            yield Segment.from_words(line)
            line = []
        elif line and word.end - line[0].start > MAX_SEGMENT_S:
            n = _best_split(line, word, language)
            yield Segment.from_words(line[:n])
            line = line[n:]
        line.append(word)
    if line:
        yield Segment.from_words(line)


def is_segment_end(line: Sequence[Word], following: Word | None, language: str | None) -> bool:
    """Return True if a sentence or a pause ends the segment after ``line``.

    Args:
        line: words of the segment so far.
        following: the next word, if there is one yet.
        language: code, if known.
    """
    if ends_sentence(line, following, language):
        return True
    pause_s = PAUSE_AFTER_FULL_STOP_S if line[-1].text.endswith(".") else PAUSE_S
    return following is not None and following.start - line[-1].end > pause_s


def _best_split(line: Sequence[Word], following: Word, language: str | None) -> int:
    """Return the number of words before the best split of a segment that gets too long.

    That is the widest gap in its later half, and not inside a word where the model's words are
    parts of words, as in Thai.
    """
    texts = [*(word.text for word in line), following.text]
    lengths = list(itertools.accumulate(map(len, texts)))
    pieces = split_at_breaks("".join(texts), language)
    between = set(itertools.accumulate(map(len, pieces)))
    gaps = {
        n: after.start - line[n - 1].end
        for n, after in enumerate([*line[1:], following], 1)
        if 2 * n >= len(line) and (after.text[:1].isspace() or lengths[n - 1] in between)
    }
    return max(gaps, key=lambda n: (gaps[n], n), default=len(line))


def rejoin_segments(segments: Iterable[Segment], language: str | None) -> Iterator[Segment]:
    """Join segments that were split within a sentence, where a window of audio ended.

    Args:
        segments: in the order of time.
        language: of segments that have none of their own.
    """
    before: Segment | None = None
    for segment in segments:
        if before is not None and _belong_together(before, segment, language):
            words = (*before.words, *segment.words)
            before = Segment.from_words(words, segment.language, segment.speaker)
            continue
        if before is not None:
            yield before
        before = segment
    if before is not None:
        yield before


def _belong_together(one: Segment, other: Segment, language: str | None) -> bool:
    return (
        (one.language, one.speaker) == (other.language, other.speaker)
        and other.end - one.start <= MAX_SEGMENT_S
        and not is_segment_end(one.words, other.words[0], one.language or language)
    )
