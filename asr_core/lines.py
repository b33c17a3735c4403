"""Words into lines: a sentence each, or what stands between two pauses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asr_core.transcript import Segment, Word

__all__ = ["ends_sentence", "lines"]

_SENTENCE_ENDS = (".", "?", "!", "。", "？", "！", "।", "؟")
PAUSE_S = 1.0
LONGEST_LINE_S = 20.0


def ends_sentence(text: str) -> bool:
    """A sentence is over at the end of ``text``, closing quotes and brackets aside."""
    return text.rstrip(" \"'”’»)").endswith(_SENTENCE_ENDS)


def lines(words: Iterable[Word]) -> Iterator[Segment]:
    """Cut consecutive ``words`` into segments; every word is in one of them."""
    line: list[Word] = []
    for word in words:
        if line and (
            ends_sentence(line[-1].text)
            or word.start - line[-1].end > PAUSE_S
            or word.end - line[0].start > LONGEST_LINE_S
        ):
            yield Segment.of(line)
            line = []
        line.append(word)
    if line:
        yield Segment.of(line)
