"""A transcript corrected by hand: new words where the old ones stood, with their times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from asr_core.transcript import Segment, Transcript, Word

__all__ = ["corrected"]

# Scripts without spaces, of which each character counts as a word: South-East Asian
# (with the marks on top), Chinese and Japanese.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_MARKS = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u17b4-\u17d3"
)
_PIECE = re.compile(
    rf"\s*(?:[{_SPACELESS}][{_MARKS}]*[^\s\w]*|[^\s{_SPACELESS}]+)"  # with its punctuation
)


def corrected(transcript: Transcript, texts: Mapping[int, str]) -> Transcript:
    """``transcript`` with the lines that a person wrote in place of the model's.

    A word that stays keeps its time. New ones share the time of those they replace,
    each in proportion to its letters, and count as certain. A line left empty is gone.

    Args:
        texts: by the index of the segment.
    """
    segments = [
        _with_text(segment, texts[i]) if i in texts else segment
        for i, segment in enumerate(transcript.segments)
    ]
    return replace(transcript, segments=tuple(s for s in segments if s is not None))


def _with_text(segment: Segment, text: str) -> Segment | None:
    heard = segment.words
    old = [piece for word in heard for piece in _pieces_of(word)]
    new = _PIECE.findall(" ".join(text.split()))
    if not new:
        return None
    before, after = ([piece.strip() for piece in side] for side in ([w.text for w in old], new))
    words: list[Word] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            # A space that was put before it, or taken away, is what was written.
            kept = zip(old[a:b], new[c:d], strict=True)
            words += [replace(word, text=piece) for word, piece in kept]
        else:
            start, end = _gap(old, a, b)
            words += _spread(new[c:d], start, end, 1.0)
    indent = heard[0].text[: -len(heard[0].text.lstrip())]
    words[0] = replace(words[0], text=indent + words[0].text.lstrip())
    return Segment.of(words, segment.language, segment.speaker)


def _pieces_of(word: Word) -> Iterator[Word]:
    pieces = _PIECE.findall(word.text)
    return _spread(pieces, word.start, word.end, word.probability)


def _gap(words: Sequence[Word], first: int, after: int) -> tuple[float, float]:
    """When ``words[first:after]`` are said; for none, the moment between two words."""
    if first < after:
        return words[first].start, words[after - 1].end
    start = words[first - 1].end if first else words[0].start
    return start, max(start, words[first].start) if first < len(words) else start


def _spread(pieces: Sequence[str], start: float, end: float, probability: float) -> Iterator[Word]:
    """``pieces`` one after the other from ``start`` to ``end``, the longer ones longer."""
    n_letters = sum(map(len, pieces))
    n_before = 0
    for piece in pieces:
        at = start + (end - start) * n_before / n_letters
        n_before += len(piece)
        yield Word(piece, at, start + (end - start) * n_before / n_letters, probability)
