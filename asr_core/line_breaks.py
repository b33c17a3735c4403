"""Where a line of text may be broken, in any script, and how much room text takes.

Scripts with spaces are broken at them. Chinese, Japanese, Thai, Lao, Khmer, Burmese and
Tibetan have none: there ICU says where a phrase or word begins, and what must not begin or
end a line (Unicode's line breaking algorithm, UAX #14; in Japanese, kinsoku).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

__all__ = ["MAX_WIDTH", "breakable", "is_spaceless", "set_right_to_left", "width"]

MAX_WIDTH = 42.0
"""Of a line, in characters of the Latin script (Netflix's Timed Text Style Guide)."""

FULL_WIDTH = 2.5
"""Of a Chinese, Japanese or Korean character: sixteen a line, as Netflix's guides for these
languages have it."""

_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\ua9e0-\ua9ff"
    "\uaa60-\uaa7f\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
_CLUSTERS_APART = re.compile("[\u0300-\u1aff\u1b00-\u1fff\u200b-\u200f\u20d0-\u20ff\ua000-\uffff]")

_RLE, _PDF = "\u202b", "\u202c"
_RTL_LANGUAGES = frozenset({"ar", "fa", "he", "ps", "sd", "ur", "yi"})


def is_spaceless(text: str) -> bool:
    """Return whether the script of ``text`` writes words without spaces between them."""
    return _SPACELESS.search(text) is not None


@lru_cache(maxsize=10_000)  # words come again and again
def width(text: str) -> float:
    """Return the room that ``text`` takes in a line, in Latin characters.

    What a reader sees as one character counts once, with all its marks.
    """
    if text.isascii():
        return float(len(text))
    return sum(map(_width_of_cluster, _clusters(text)))


def breakable(text: str, language: str | None = None) -> list[str]:
    """Return ``text`` in the smallest pieces between which a line may be broken.

    Joined they are the text; spaces end a piece. A word longer than a line stays whole where
    words are written with spaces.
    """
    if text.isascii():
        return re.findall(r"\s*\S+\s*", text)
    pieces = list(_phrases(text, language))
    return [part for piece in pieces for part in _not_too_wide(piece, language)]


def set_right_to_left(lines: Iterable[str], language: str | None = None) -> tuple[str, ...]:
    """Return ``lines`` marked as running from right to left if they do.

    Players take the direction of a line from its first letter or from nowhere: without the
    marks a full stop stands on the wrong side, and lines with a Latin word are out of order.
    The marks are those that Subtitle Edit sets ("Fix RTL via Unicode control characters").
    """
    lines = tuple(lines)
    letters = [unicodedata.bidirectional(c) for c in "".join(lines) if c.isalpha()]
    n_from_right = sum(kind in {"R", "AL"} for kind in letters)
    least = 1 if language in _RTL_LANGUAGES else len(letters) / 2
    if not n_from_right or n_from_right < least:
        return lines
    return tuple(f"{_RLE}{line}{_PDF}" for line in lines)


def _phrases(text: str, language: str | None) -> Iterator[str]:
    """Pieces as they had best be kept together."""
    from icu4py.breakers import LineBreaker, WordBreaker

    # Of Chinese, line breaks stand between any two characters: only those between words serve.
    of_lines = _ends(LineBreaker(text, f"{language or 'und'}@lw=phrase"))
    of_words = set(_ends(WordBreaker(text, language or "und")))
    return _between(text, (end for end in of_lines if end in of_words))


def _not_too_wide(piece: str, language: str | None) -> Iterator[str]:
    """A piece, in smaller ones if no line holds it."""
    from icu4py.breakers import LineBreaker

    if width(piece.rstrip()) <= MAX_WIDTH or not is_spaceless(piece):
        yield piece
        return
    for part in _between(piece, _ends(LineBreaker(piece, f"{language or 'und'}@lb=strict"))):
        if width(part.rstrip()) <= MAX_WIDTH:
            yield part
        else:
            yield from _clusters(part)


def _between(text: str, ends: Iterable[int]) -> Iterator[str]:
    """``text`` cut at ``ends``, but between words with spaces only at these, and before no mark."""
    clusters = set(_ends(_clusters(text)))
    start = 0
    for end in ends:
        if end not in clusters:
            continue
        around = text[max(0, end - 1) : end + 1]
        if end == len(text) or text[end - 1].isspace() or is_spaceless(around):
            yield text[start:end]
            start = end


def _ends(pieces: Iterable[str]) -> Iterator[int]:
    """Where each piece ends, in characters (ICU itself counts UTF-16)."""
    end = 0
    for piece in pieces:
        end += len(piece)
        yield end


def _clusters(text: str) -> Iterable[str]:
    from icu4py.breakers import CharacterBreaker

    return CharacterBreaker(text, "und") if _CLUSTERS_APART.search(text) else text


def _width_of_cluster(cluster: str) -> float:
    if all(unicodedata.category(c) in {"Cc", "Cf", "Mn", "Me"} for c in cluster):
        return 0.0
    is_full = any(unicodedata.east_asian_width(c) in {"F", "W"} for c in cluster)
    return FULL_WIDTH if is_full else 1.0
