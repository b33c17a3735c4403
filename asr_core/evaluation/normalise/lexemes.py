"""Tokenisation into words, numbers and symbols with their positions in the source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import regex

from asr_core.evaluation.normalise.characters import KEPT, SPACELESS
from asr_core.evaluation.normalise.traced_text import TracedText

__all__ = ["POINT", "Lexeme", "lexemes", "split_lexeme"]

POINT = "point"
"""Text of the lexeme between whole and fraction."""


class Lexeme(NamedTuple):
    """Token: a word, a number or a symbol.

    Attributes:
        text: a word, ASCII digits (with the suffix of an ordinal or a plural), or a symbol.
        start, end: in characters of the source.
        pause: the punctuation mark before it; empty if there is none.
    """

    text: str
    start: int
    end: int
    pause: str = ""


_PLAIN_CHARACTER = rf"[^\s\d{re.escape(KEPT)}]"
_SPACELESS_WORD = rf"(?=[{SPACELESS}])\X|(?:(?![{SPACELESS}]){_PLAIN_CHARACTER})+"

_ENGLISH_NUMBER = (
    r"(?P<number>\d+(?:,\d+)*(?:(?:st|nd|rd|th|s)(?!\w))?)"
    r"|(?P<point>(?<=\d)\.(?=\d)|(?<![\w.])\.(?=\d))"  # in 3.5 and in .5
    r"|(?P<minus>(?<!\S)-(?=[.$£€¥₹]?\d))|(?P<plus>(?<!\S)\+(?=\d))"
    r"|(?P<sign>[%$¢£€¥₹])"
)
# Ordinals count as their number, since writers mix "3e", "3ème" and "troisième".
_ENDING = r"(?:[eoa]|er|re|ère|[eè]me|nde?|ste|de|te)(?!\w)"
_OTHER_NUMBER = rf"(?P<number>\d+(?:[.,']\d+)*)(?:{_ENDING})?"
_PATTERNS = {
    (english, is_ascii): regex.compile(
        rf"{_ENGLISH_NUMBER if english else _OTHER_NUMBER}|(?P<pause>[.,;:!?])"
        rf"|(?P<word>{f'{_PLAIN_CHARACTER}+' if is_ascii else _SPACELESS_WORD})"
    )
    for english in (True, False)
    for is_ascii in (True, False)
}


def lexemes(text: TracedText, *, english: bool) -> Iterator[Lexeme]:
    """Yield the lexemes of ``text``; thousands separators are dropped."""
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
    """Return ``number`` of a language that uses point and comma for fractions and thousands.

    Thousands separators are dropped, a fraction follows a point; dates, addresses and lists get
    neither.
    """
    *groups, last = re.split("[.,']", number)
    marks = re.findall("[.,']", number)
    in_threes = bool(groups) and len(groups[0]) <= 3 and all(len(g) == 3 for g in groups[1:])
    if in_threes and len(set(marks)) == 1 and len(last) == 3:
        return "".join([*groups, last])
    if len(marks) == 1 or (in_threes and len(set(marks[:-1])) == 1 and marks[-1] != marks[0]):
        return f"{''.join(groups)}.{last}"
    return "".join([*groups, last])


def split_lexeme(found: Lexeme, texts: Iterable[str]) -> list[Lexeme]:
    """Return a lexeme for each of ``texts``, such as characters, all at the place of ``found``."""
    return [Lexeme(text, found.start, found.end, found.pause) for text in texts]
