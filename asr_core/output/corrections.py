"""Manual corrections of a transcript that keep the words' times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from asr_core.transcript import Segment, Transcript, Word

__all__ = ["apply_corrections"]

# Scripts without spaces between words (South-East Asian, Chinese, Japanese): each character,
# with its combining marks, is treated as a word.
_SPACELESS_CHARACTERS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
)
_COMBINING_MARKS = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u17b4-\u17d3"
)
_TOKEN = re.compile(
    rf"\s*(?:[{_SPACELESS_CHARACTERS}][{_COMBINING_MARKS}]*[^\s\w]*|[^\s{_SPACELESS_CHARACTERS}]+)"  # with its punctuation
)


def apply_corrections(transcript: Transcript, texts: Mapping[int, str]) -> Transcript:
    """Return ``transcript`` with some segments' text replaced by a person's.

    Unchanged words keep their times. New words share the time of the words they replace, in
    proportion to their lengths, and get probability 1. A segment with empty text is removed.

    Args:
        transcript: what the model produced.
        texts: new text by segment index.
    """
    segments = [
        _with_text(segment, texts[i]) if i in texts else segment
        for i, segment in enumerate(transcript.segments)
    ]
    return replace(transcript, segments=tuple(s for s in segments if s is not None))


def _with_text(segment: Segment, text: str) -> Segment | None:
    original = segment.words
    old = [token for word in original for token in _tokens(word)]
    new = _TOKEN.findall(" ".join(text.split()))
    if not new:
        return None
    before, after = ([token.strip() for token in side] for side in ([w.text for w in old], new))
    words: list[Word] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            # The person's spacing wins.
            kept = zip(old[a:b], new[c:d], strict=True)
            words += [replace(word, text=token) for word, token in kept]
        else:
            start, end = _time_range(old, a, b)
            words += _distribute(new[c:d], start, end, 1.0)
    indent = original[0].text[: -len(original[0].text.lstrip())]
    words[0] = replace(words[0], text=indent + words[0].text.lstrip())
    return Segment.from_words(words, segment.language, segment.speaker)


def _tokens(word: Word) -> Iterator[Word]:
    tokens = _TOKEN.findall(word.text)
    return _distribute(tokens, word.start, word.end, word.probability)


def _time_range(words: Sequence[Word], first: int, after: int) -> tuple[float, float]:
    """Return start and end of ``words[first:after]``, or the gap there if that is empty."""
    if first < after:
        return words[first].start, words[after - 1].end
    start = words[first - 1].end if first else words[0].start
    return start, max(start, words[first].start) if first < len(words) else start


def _distribute(
    tokens: Sequence[str], start: float, end: float, probability: float
) -> Iterator[Word]:
    """Yield ``tokens`` as words from ``start`` to ``end``, timed in proportion to length."""
    n_letters = sum(map(len, tokens))
    n_before = 0
    for token in tokens:
        at = start + (end - start) * n_before / n_letters
        n_before += len(token)
        yield Word(token, at, start + (end - start) * n_before / n_letters, probability)
