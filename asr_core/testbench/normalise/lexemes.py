"""Words, numbers and signs, in order, with where they stand in the source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import regex

from asr_core.testbench.normalise.characters import KEPT, SPACELESS
from asr_core.testbench.normalise.traced import Traced

__all__ = ["POINT", "Lexeme", "lexemes", "spread"]

POINT = "point"
"""Between the whole and the fraction of a number."""


class Lexeme(NamedTuple):
    """What numbers are made of, and everything else.

    Attributes:
        text: a word, ASCII digits (with the ending of an ordinal or a plural), or a sign.
        start, end: in characters of the source.
        pause: the mark before it that parts sentences or what is listed; empty if none.
    """

    text: str
    start: int
    end: int
    pause: str = ""


_PLAIN = rf"[^\s\d{re.escape(KEPT)}]"
_SPACELESS_WORD = rf"(?=[{SPACELESS}])\X|(?:(?![{SPACELESS}]){_PLAIN})+"

_ENGLISH = (
    r"(?P<number>\d+(?:,\d+)*(?:(?:st|nd|rd|th|s)(?!\w))?)"
    r"|(?P<point>(?<=\d)\.(?=\d)|(?<![\w.])\.(?=\d))"  # of 3.5 and of .5
    r"|(?P<minus>(?<!\S)-(?=[.$£€¥₹]?\d))|(?P<plus>(?<!\S)\+(?=\d))"
    r"|(?P<sign>[%$¢£€¥₹])"
)
# An ordinal is its number: "3e", "3ème" and "troisième" differ from text to text.
_ENDING = r"(?:[eoa]|er|re|ère|[eè]me|nde?|ste|de|te)(?!\w)"
_OTHER = rf"(?P<number>\d+(?:[.,']\d+)*)(?:{_ENDING})?"
_PATTERNS = {
    (english, is_ascii): regex.compile(
        rf"{_ENGLISH if english else _OTHER}|(?P<pause>[.,;:!?])"
        rf"|(?P<word>{f'{_PLAIN}+' if is_ascii else _SPACELESS_WORD})"
    )
    for english in (True, False)
    for is_ascii in (True, False)
}


def lexemes(text: Traced, *, english: bool) -> Iterator[Lexeme]:
    """Yield what ``text`` is made of; thousands lose their separators."""
    pause = ""
    for match in _PATTERNS[english, text.text.isascii()].finditer(text.text):
        kind = match.lastgroup
        if kind == "pause":
            pause = match[0]
            continue
        found = match[0]
        if kind == "number":
            found = found.replace(",", "") if english else _marked(match["number"])
        elif kind in ("point", "minus", "plus"):
            found = kind
        start, end = text.origins[match.start()], text.origins[match.end() - 1] + 1
        yield Lexeme(found, start, end, pause)
        pause = ""


def _marked(number: str) -> str:
    """Return ``number`` of a language in which point and comma may each part either.

    One that parts thousands goes, one before a fraction is a point; in dates, addresses and
    lists there is neither.
    """
    *groups, last = re.split("[.,']", number)
    marks = re.findall("[.,']", number)
    in_threes = bool(groups) and len(groups[0]) <= 3 and all(len(g) == 3 for g in groups[1:])
    if in_threes and len(set(marks)) == 1 and len(last) == 3:
        return "".join([*groups, last])
    if len(marks) == 1 or (in_threes and len(set(marks[:-1])) == 1 and marks[-1] != marks[0]):
        return f"{''.join(groups)}.{last}"
    return "".join([*groups, last])


def spread(found: Lexeme, texts: Iterable[str]) -> list[Lexeme]:
    """Return a lexeme for each of ``texts``, such as characters, all where ``found`` stands."""
    return [Lexeme(text, found.start, found.end, found.pause) for text in texts]
