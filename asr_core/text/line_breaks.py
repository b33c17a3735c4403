"""Line breaks in any script, and the display width of text.

Scripts with spaces are broken at them. Chinese, Japanese, Thai, Lao, Khmer, Burmese and
Tibetan have none: there ICU finds where a phrase or word begins, and what must not begin or
end a line (Unicode's line breaking algorithm, UAX #14; in Japanese, kinsoku).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

__all__ = [
    "MAX_LINE_WIDTH",
    "display_width",
    "is_spaceless",
    "mark_right_to_left",
    "split_at_breaks",
]

MAX_LINE_WIDTH = 42.0
"""Width of a line in Latin characters (Netflix's Timed Text Style Guide)."""

FULL_WIDTH = 2.5
"""Width of a Chinese, Japanese or Korean character: sixteen a line, as in Netflix's guides."""

_SPACELESS_CHARACTER = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\ua9e0-\ua9ff"
    "\uaa60-\uaa7f\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
_MAY_FORM_CLUSTERS = re.compile(
    "[\u0300-\u1aff\u1b00-\u1fff\u200b-\u200f\u20d0-\u20ff\ua000-\uffff]"
)

_RLE, _PDF = "\u202b", "\u202c"
_RTL_LANGUAGES = frozenset({"ar", "fa", "he", "ps", "sd", "ur", "yi"})


def is_spaceless(text: str) -> bool:
    """Return True if the script of ``text`` writes no spaces between words."""
    return _SPACELESS_CHARACTER.search(text) is not None


@lru_cache(maxsize=10_000)  # the same words come often
def display_width(text: str) -> float:
    """Return the width of ``text`` in Latin characters; a character counts once with its marks."""
    if text.isascii():
        return float(len(text))
    return sum(map(_width_of_cluster, _clusters(text)))


def split_at_breaks(text: str, language: str | None = None) -> list[str]:
    """Split ``text`` into the smallest pieces between which a line may be broken.

    Joined, they are the text; spaces end a piece. A word longer than a line stays whole in
    scripts with spaces.
    """
    if text.isascii():
        return re.findall(r"\s*\S+\s*", text)
    pieces = list(_phrases(text, language))
    return [part for piece in pieces for part in _split_if_too_wide(piece, language)]


def mark_right_to_left(lines: Iterable[str], language: str | None = None) -> tuple[str, ...]:
    """Return ``lines`` with direction marks if they run from right to left.

    Players derive the direction of a line from its first letter or not at all: without the
    marks a full stop is on the wrong side, and lines with a Latin word are out of order. The
    marks are those that Subtitle Edit sets ("Fix RTL via Unicode control characters").
    """
    lines = tuple(lines)
    letters = [unicodedata.bidirectional(c) for c in "".join(lines) if c.isalpha()]
    n_rtl_letters = sum(kind in {"R", "AL"} for kind in letters)
    minimum = 1 if language in _RTL_LANGUAGES else len(letters) / 2
    if not n_rtl_letters or n_rtl_letters < minimum:
        return lines
    return tuple(f"{_RLE}{line}{_PDF}" for line in lines)


def _phrases(text: str, language: str | None) -> Iterator[str]:
    """Yield phrases, which are best kept on one line."""
    from icu4py.breakers import LineBreaker, WordBreaker

    # Chinese may be broken between any two characters: use only breaks between words.
    line_ends = _ends(LineBreaker(text, f"{language or 'und'}@lw=phrase"))
    word_ends = set(_ends(WordBreaker(text, language or "und")))
    return _cut(text, (end for end in line_ends if end in word_ends))


def _split_if_too_wide(piece: str, language: str | None) -> Iterator[str]:
    """Yield ``piece``, or parts of it if no line holds it."""
    from icu4py.breakers import LineBreaker

    if display_width(piece.rstrip()) <= MAX_LINE_WIDTH or not is_spaceless(piece):
        yield piece
        return
    for part in _cut(piece, _ends(LineBreaker(piece, f"{language or 'und'}@lb=strict"))):
        if display_width(part.rstrip()) <= MAX_LINE_WIDTH:
            yield part
        else:
            yield from _clusters(part)


def _cut(text: str, ends: Iterable[int]) -> Iterator[str]:
    """Yield ``text`` cut at those ``ends`` that its script allows, and before no mark."""
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
    """Yield the end of each piece in characters (ICU itself counts UTF-16)."""
    end = 0
    for piece in pieces:
        end += len(piece)
        yield end


def _clusters(text: str) -> Iterable[str]:
    from icu4py.breakers import CharacterBreaker

    return CharacterBreaker(text, "und") if _MAY_FORM_CLUSTERS.search(text) else text


def _width_of_cluster(cluster: str) -> float:
    if all(unicodedata.category(c) in {"Cc", "Cf", "Mn", "Me"} for c in cluster):
        return 0.0
    is_full = any(unicodedata.east_asian_width(c) in {"F", "W"} for c in cluster)
    return FULL_WIDTH if is_full else 1.0
