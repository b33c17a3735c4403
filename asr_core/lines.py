"""Words into lines: a sentence each, or what stands between two pauses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from asr_core.sentences import ends_sentence
from asr_core.transcript import Segment, Word

__all__ = ["is_whole", "lines"]

PAUSE_S = 1.0
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
    if following is not None and (
        following.start - line[-1].end > PAUSE_S or following.end - line[0].start > LONGEST_LINE_S
    ):
        return True
    return ends_sentence(line, following, language)
