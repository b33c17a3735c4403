"""English number words and their values."""

from __future__ import annotations

__all__ = ["CARDINALS", "CARDINAL_TENS", "ORDINALS", "ORDINAL_TENS", "POWERS_OF_TEN"]

_NAMES_TO_NINETEEN = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_RANKS_TO_TWELFTH = (
    *("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"),
    *("ninth", "tenth", "eleventh", "twelfth"),
)

CARDINALS = {name: value for value, name in enumerate(_NAMES_TO_NINETEEN)}
ORDINALS = {
    **{rank: value for value, rank in enumerate(_RANKS_TO_TWELFTH)},
    **{f"{name}th": value for name, value in CARDINALS.items() if value > 12},
}
"""Zero to nineteen."""

CARDINAL_TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
ORDINAL_TENS = {f"{name[:-1]}ieth": value for name, value in CARDINAL_TENS.items()}

POWERS_OF_TEN = {
    "hundred": 2,
    "thousand": 3,
    "million": 6,
    "billion": 9,
    "trillion": 12,
    "quadrillion": 15,
    "quintillion": 18,
    "sextillion": 21,
    "septillion": 24,
    "octillion": 27,
    "nonillion": 30,
    "decillion": 33,
}
"""Exponent of each, in the short scale."""
