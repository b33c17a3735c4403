"""Words into lines: a sentence each, or what stands between two pauses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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
        line.append(word)
    if line:
        yield Segment.of(line)


def is_whole(line: Sequence[Word], following: Word | None, language: str | None) -> bool:
    """Return whether a line ends after the words of ``line``.

    Args:
        following: the next word, if there is one yet.
    """
    if ends_sentence(line, following, language):
        return True
    if following is None:
        return False
    pause_s = PAUSE_AFTER_FULL_STOP_S if line[-1].text.endswith(".") else PAUSE_S
    return (
        following.start - line[-1].end > pause_s or following.end - line[0].start > LONGEST_LINE_S
    )


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
