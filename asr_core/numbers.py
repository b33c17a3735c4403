"""Spellings of numbers made one: "3", "three" and "٣", "25" and "twenty-five"."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["as_digits"]

_CARDINALS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_ORDINALS = (
    *("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"),
    *("ninth", "tenth", "eleventh", "twelfth", *(f"{teen}th" for teen in _CARDINALS[13:])),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

_SMALL = {word: str(i) for words in (_CARDINALS, _ORDINALS) for i, word in enumerate(words)}
_SMALL["oh"] = "0"  # as telephone numbers are read
_ROUND = {ten: str(i) for i, word in enumerate(_TENS, 2) for ten in (word, f"{word[:-1]}ieth")}
_POWERS = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9}

_PIECE = re.compile(r"\d+(?:(?:st|nd|rd|th)(?![^\W\d_]))?|[^\W\d_]+")


def as_digits(text: str) -> str:
    """Return ``text`` without case, punctuation and spaces, English number words as digits.

    Made for comparing two spellings of one utterance, not for reading: "one two three",
    "1, 2, 3" and "123" are all "123"; digits of any script become those of ASCII.
    """
    pieces = ["", *_PIECE.findall(text.casefold()), ""]
    written: list[str] = []
    n_digits = power = 0  # of the number that follows: written already, and its last "thousand"
    for before, piece, after in reversed(list(zip(pieces, pieces[1:], pieces[2:], strict=False))):
        if piece in _POWERS and _is_number(before):
            is_hundred = piece == "hundred"
            power = power if is_hundred else _POWERS[piece]
            digits = "0" * (power + 2 * is_hundred - n_digits)
        elif piece == "and" and before in _POWERS and n_digits:
            digits = ""
        else:
            digits = _digits(piece, after)
            if not digits:
                written.append(piece)
                n_digits = power = 0
        written.append(digits)
        n_digits += len(digits)
    return "".join(reversed(written))


def _is_number(piece: str) -> bool:
    return piece == "a" or piece in _POWERS or bool(_digits(piece, ""))


def _digits(piece: str, after: str) -> str:
    """Return the digits of a number, none for any other word; ``after`` is the next one."""
    if piece[:1].isdecimal():
        return "".join(str(unicodedata.decimal(c)) for c in piece if c.isdecimal())
    if piece == "a" and after in _POWERS:
        return "1"
    if piece in _ROUND:
        is_followed = _SMALL.get(after, "0") in set("123456789")
        return _ROUND[piece] if is_followed else f"{_ROUND[piece]}0"
    return _SMALL.get(piece, "")
