"""Words into lines: a sentence each, or what stands between two pauses."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from asr_core.line_breaks import breakable
from asr_core.sentences import ends_sentence
from asr_core.transcript import Segment, Word

__all__ = ["is_whole", "lines", "rejoined"]

PAUSE_S = 1.0
PAUSE_AFTER_FULL_STOP_S = 3.0
"""Where no sentence ends with it: "Mr." belongs to the name, however late that comes."""
LONGEST_LINE_S = 20.0


def lines(words: Iterable[Word], language: str | None = None) -> Iterator[Segment]:
    """Cut consecutive ``words`` into segments; every word is in one of them."""
    line: list[Word] = []
    for word in words:
        if line and is_whole(line, word, language):
            yield Segment.of(line)
            line = []
        elif line and word.end - line[0].start > LONGEST_LINE_S:
            n = _best_end(line, word, language)
            yield Segment.of(line[:n])
            line = line[n:]
        line.append(word)
    if line:
        yield Segment.of(line)


def is_whole(line: Sequence[Word], following: Word | None, language: str | None) -> bool:
    """Return whether a sentence or a pause ends the line after the words of ``line``.

    Args:
        following: the next word, if there is one yet.
    """
    if ends_sentence(line, following, language):
        return True
    pause_s = PAUSE_AFTER_FULL_STOP_S if line[-1].text.endswith(".") else PAUSE_S
    return following is not None and following.start - line[-1].end > pause_s


def _best_end(line: Sequence[Word], following: Word, language: str | None) -> int:
    """After how many words to end a line that gets too long: at the widest gap in its later
    half, but within no word where tokens are parts of words."""
    texts = [*(word.text for word in line), following.text]
    lengths = list(itertools.accumulate(map(len, texts)))
    pieces = breakable("".join(texts), language)
    between = set(itertools.accumulate(map(len, pieces)))
    gaps = {
        n: after.start - line[n - 1].end
        for n, after in enumerate([*line[1:], following], 1)
        if 2 * n >= len(line) and (after.text[:1].isspace() or lengths[n - 1] in between)
    }
    return max(gaps, key=lambda n: (gaps[n], n), default=len(line))


def rejoined(segments: Iterable[Segment], language: str | None) -> Iterator[Segment]:
    """Put together lines that were cut within a sentence, where one window of audio ended.

    Args:
        segments: in the order of time.
        language: of those that have none of their own.
    """
    before: Segment | None = None
    for segment in segments:
        if before is not None and _is_one(before, segment, language):
            words = (*before.words, *segment.words)
            before = Segment.of(words, segment.language, segment.speaker)
            continue
        if before is not None:
            yield before
        before = segment
    if before is not None:
        yield before


def _is_one(one: Segment, other: Segment, language: str | None) -> bool:
    return (
        (one.language, one.speaker) == (other.language, other.speaker)
        and other.end - one.start <= LONGEST_LINE_S
        and not is_whole(one.words, other.words[0], one.language or language)
    )
