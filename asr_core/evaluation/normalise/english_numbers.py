"""English numbers in any notation, as digits.

"twenty-five" and "25" become "2 5", and so do "two five" and "2, 5". Digits spoken in a row may
be grouped in any way, but a wrong, missing or additional digit is an error.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from asr_core.evaluation.normalise.english_numerals import Numeral, is_numeric, parse_numeral
from asr_core.evaluation.normalise.lexemes import POINT, Lexeme, split_lexeme

__all__ = ["spell_digits"]

Words = Sequence[Lexeme]

_BEFORE_NUMBERS = frozenset((*"$£€₹¥%", "minus", "negative", "double", "triple", "half", POINT))
_CALLED_OH = frozenset(("oh", "o"))

_CURRENCIES = {
    **dict.fromkeys(("$", "dollar", "dollars"), "dollars"),
    **dict.fromkeys(("£", "pound", "pounds"), "pounds"),
    **dict.fromkeys(("€", "euro", "euros"), "euros"),
    **dict.fromkeys(("₹", "rupee", "rupees"), "rupees"),
    **dict.fromkeys(("¥", "yen"), "yen"),
}
_SIGNS = frozenset("$£€₹¥")
_CENTS = {
    **dict.fromkeys(("¢", "cent", "cents"), "cents"),
    **dict.fromkeys(("penny", "pence"), "pence"),
}
_UNITS = {
    **_CENTS,
    "%": "percent",
    **dict.fromkeys(("km", "kilometer", "kilometers", "kilometre", "kilometres"), "kilometers"),
    **dict.fromkeys(
        ("cm", "centimeter", "centimeters", "centimetre", "centimetres"), "centimeters"
    ),
    **dict.fromkeys(
        ("mm", "millimeter", "millimeters", "millimetre", "millimetres"), "millimeters"
    ),
    **dict.fromkeys(("kg", "kilogram", "kilograms", "kilo", "kilos"), "kilograms"),
    **dict.fromkeys(("lb", "lbs"), "pounds"),
}
_MONTHS = frozenset(
    [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ]
)
_BARE_PLURALS = {"1" + "0" * n: name for n, name in
                 ((2, "hundreds"), (3, "thousands"), (6, "millions"), (9, "billions"))}  # fmt: skip


def spell_digits(words: Words) -> list[Lexeme]:
    """Return ``words`` with each digit of a number as a word of its own."""
    return list(_tidied(list(_spelled(_with_zeros(words)))))


def _with_zeros(words: Words) -> list[Lexeme]:
    """Return ``words`` with "oh" next to numbers as zero."""
    found: list[Lexeme] = []
    groups = [list(g) for _, g in itertools.groupby(words, lambda w: w.text in _CALLED_OH)]
    for before, group, after in zip([[], *groups], groups, [*groups[1:], []], strict=False):
        # In "two point oh", the number before the point counts.
        follows_point = len(before) > 1 and before[-1].text == POINT
        beside = [*(before[-2:-1] if follows_point else before[-1:]), *after[:1]]
        if group[0].text in _CALLED_OH and any(is_numeric(word.text) for word in beside):
            found += [word._replace(text="zero") for word in group]
        else:
            found += group
    return found


def _spelled(words: Words) -> Iterator[Lexeme]:
    """Yield the words; for a number each digit, then its unit."""
    i = 0
    after_month = False
    while i < len(words):
        text = words[i].text
        if is_numeric(text) or text in _BEFORE_NUMBERS:
            end, texts = _amount(words, i, after_month)
            yield from split_lexeme(words[i]._replace(end=words[end - 1].end), texts)
            i = end
        else:
            yield words[i]
            i += 1
        after_month = text in _MONTHS


def _amount(words: Words, i: int, after_month: bool) -> tuple[int, list[str]]:
    """Return the index after the amount or word at ``i``, and its words."""
    sign = words[i].text if words[i].text in _SIGNS else ""
    at = i + bool(sign)
    found = parse_numeral(words, at) if at < len(words) else None
    if words[i].text in ("minus", "negative"):
        return i + 1, [
            "minus" if at + 1 < len(words) and parse_numeral(words, i + 1) else words[i].text
        ]
    if found is None:
        return i + 1, [] if sign else [words[i].text.replace("%", "percent")]
    unit = _after(words, found.end)
    if not found.suffix and (currency := _CURRENCIES.get(sign or unit)):
        end = found.end + (_CURRENCIES.get(unit) == currency)
        return _money(words, found, currency, end)
    if after_month and found.suffix == "th":
        found = dataclasses.replace(found, suffix="")
    if unit in _UNITS and not found.suffix:
        return found.end + 1, [*_digits(found), _UNITS[unit]]
    return found.end, _digits(found)


def _after(words: Words, i: int) -> str:
    return words[i].text if i < len(words) and not words[i].pause else ""


def _money(words: Words, found: Numeral, currency: str, end: int) -> tuple[int, list[str]]:
    """Return "$3.50" and "three dollars and fifty cents" as "3 dollars 5 0"."""
    cents = found.fraction if len(found.fraction) == 2 else ""
    at = end + (end < len(words) and words[end].text == "and")
    more = parse_numeral(words, at) if at < len(words) and not found.fraction else None
    if more and len(more.whole) <= 2 and not more.fraction and _after(words, more.end) in _CENTS:
        cents, end = more.whole.zfill(2), more.end + 1
    if not cents:
        return end, [*_digits(found), currency]
    if int(cents) and found.whole in ("", "0"):
        return end, [*cents.lstrip("0"), "pence" if currency == "pounds" else "cents"]
    return end, [*(found.whole or "0"), currency, *(cents if int(cents) else "")]


def _digits(found: Numeral) -> list[str]:
    if found.suffix == "s" and found.whole in _BARE_PLURALS:
        return [_BARE_PLURALS[found.whole]]
    texts = [*found.whole, *([POINT, *found.fraction] if found.fraction else [])]
    texts[-1] += _ending(found)
    return texts


def _ending(found: Numeral) -> str:
    if not found.suffix.startswith("th"):
        return found.suffix
    is_teen = found.whole[-2:-1] == "1"
    ordinal = "th" if is_teen else {"1": "st", "2": "nd", "3": "rd"}.get(found.whole[-1:], "th")
    return ordinal + found.suffix[2:]


def _tidied(words: list[Lexeme]) -> Iterator[Lexeme]:
    """Yield ``words`` without optional ones.

    These are "a" before a hundred and more, the zero before a point, and "o'clock" before "p.m.".
    """
    before = ""
    for i, word in enumerate(words):
        after = [w.text for w in words[i + 1 : i + 4]]
        is_digit = before[:1].isdecimal()
        if word.text == "a" and after[:1] == ["1"] and _all_digits(after):
            continue
        if word.text == "0" and not is_digit and after[:1] == [POINT] and _all_digits(after[1:2]):
            continue
        if word.text == "oclock" and _is_half_day(after):
            continue
        if word.text in ("am", "pm") and (is_digit or before == "oclock"):
            yield from split_lexeme(word, word.text)
        else:
            yield word
        before = word.text


def _all_digits(texts: list[str]) -> bool:
    return all(text[0].isdecimal() for text in texts) and len(texts) in (1, 3)


def _is_half_day(texts: list[str]) -> bool:
    return texts[:1] in (["am"], ["pm"]) or texts[:2] in (["a", "m"], ["p", "m"])
