"""Comparison of texts with numbers: "3" equals "three" and "٣", "25" equals "twenty-five".

A key is made for each word of each live hypothesis, so it joins digits without working out what a
number is worth. Scores need values, units and the places of words: see
:mod:`asr_core.evaluation.normalise.english_numerals`, which shares the number words.
"""

from __future__ import annotations

import re
import unicodedata

from asr_core.text.number_words import (
    CARDINAL_TENS,
    CARDINALS,
    ORDINAL_TENS,
    ORDINALS,
    POWERS_OF_TEN,
)

__all__ = ["digit_key"]

_SMALL = {name: str(value) for name, value in (CARDINALS | ORDINALS).items()}
_SMALL["oh"] = "0"  # in telephone numbers
_TENS_DIGITS = {name: str(value // 10) for name, value in (CARDINAL_TENS | ORDINAL_TENS).items()}

_PIECE = re.compile(r"\d+(?:(?:st|nd|rd|th)(?![^\W\d_]))?|[^\W\d_]+")


def digit_key(text: str) -> str:
    """Return a comparison key of ``text`` in which English number words are digits.

    It has no case, punctuation or spaces, and is equal for two spellings of one utterance:
    "one two three", "1, 2, 3" and "123" are all "123". Digits of any script become ASCII.
    """
    pieces = ["", *_PIECE.findall(text.casefold()), ""]
    written: list[str] = []
    n_digits = power = 0  # of the number that follows: digits so far, and its last "thousand"
    for before, piece, after in reversed(list(zip(pieces, pieces[1:], pieces[2:], strict=False))):
        if piece in POWERS_OF_TEN and _is_number(before):
            is_hundred = piece == "hundred"
            power = power if is_hundred else POWERS_OF_TEN[piece]
            digits = "0" * (power + 2 * is_hundred - n_digits)
        elif piece == "and" and before in POWERS_OF_TEN and n_digits:
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
    return piece == "a" or piece in POWERS_OF_TEN or bool(_digits(piece, ""))


def _digits(piece: str, after: str) -> str:
    """Return the digits of a number, none for any other word; ``after`` is the next word."""
    if piece[:1].isdecimal():
        return "".join(str(unicodedata.decimal(c)) for c in piece if c.isdecimal())
    if piece == "a" and after in POWERS_OF_TEN:
        return "1"
    if piece in _TENS_DIGITS:
        is_followed = _SMALL.get(after, "0") in set("123456789")
        return _TENS_DIGITS[piece] if is_followed else f"{_TENS_DIGITS[piece]}0"
    return _SMALL.get(piece, "")
