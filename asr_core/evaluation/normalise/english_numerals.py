"""Parser of English number words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from asr_core.evaluation.normalise.lexemes import POINT, Lexeme
from asr_core.text.number_words import (
    CARDINAL_TENS,
    CARDINALS,
    ORDINAL_TENS,
    ORDINALS,
    POWERS_OF_TEN,
)

__all__ = ["Numeral", "is_numeric", "parse_numeral"]

Words = Sequence[Lexeme]
Meaning = dict[str, tuple[int, str]]
"""Value of each word, and its suffix: ``th`` for ordinals, ``s`` for plurals, ``ths`` for both."""


@dataclass(frozen=True)
class Numeral:
    """Parsed number.

    Attributes:
        whole, fraction: digits before and after the point; empty if there are none.
        end: index after its last word.
        suffix: as in Meaning.
        scale: power of ten that its last word stands for; 0 for other words.
    """

    whole: str
    end: int
    fraction: str = ""
    suffix: str = ""
    scale: int = 0


def _meanings(cardinals: Mapping[str, int], ordinals: Mapping[str, int]) -> Meaning:
    """Return the meaning of each word and its plural; a second is also a unit of time."""
    return {
        **{word: (value, "") for word, value in cardinals.items()},
        **{_plural(word): (value, "s") for word, value in cardinals.items()},
        **{word: (value, "th") for word, value in ordinals.items()},
        **{f"{word}s": (value, "ths") for word, value in ordinals.items() if word != "second"},
    }


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}es" if word == "six" else f"{word}s"


_ONES = _meanings({word: value for word, value in CARDINALS.items() if value}, ORDINALS)
_TENS = _meanings(CARDINAL_TENS, ORDINAL_TENS)
_POWERS: Meaning = {
    **_meanings(POWERS_OF_TEN, {f"{word}th": power for word, power in POWERS_OF_TEN.items()}),
    "lakh": (5, ""),
    "crore": (7, ""),
}
_NUMERIC = frozenset((*_ONES, *_TENS, *_POWERS, "zero"))
_REPEATED = {"double": 2, "triple": 3}
_SUFFIXES = {"st": "th", "nd": "th", "rd": "th", "th": "th", "s": "s"}


def is_numeric(text: str) -> bool:
    """Return whether ``text`` is a number or part of one."""
    return text[:1].isdecimal() or text in _NUMERIC


def parse_numeral(words: Words, i: int) -> Numeral | None:
    """Return the longest number that begins at ``words[i]``; None if there is none."""
    found = _written(words, i) or _repeated(words, i) or _half(words, i) or _cardinal(words, i)
    if words[i].text == POINT and (digits := _fraction(words, i + 1))[0]:
        found = Numeral("", digits[1], digits[0])
    if found is None or found.suffix:
        return found
    if not found.fraction and _text(words, found.end) == POINT:
        fraction, end = _fraction(words, found.end + 1)
        found = replace(found, fraction=fraction, end=end if fraction else found.end)
    return _scaled(words, _and_a_half(words, found))


def _text(words: Words, i: int) -> str:
    """Return the word at ``i`` if it continues the phrase; empty after a pause."""
    return words[i].text if i < len(words) and not words[i].pause else ""


def _written(words: Words, i: int) -> Numeral | None:
    """Return a number in digits, or zero."""
    text = words[i].text
    if text == "zero":
        return Numeral("0", i + 1)
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    if not digits.isdecimal() or (_may_be_scaled(text) and _power(words, i + 1)):
        return None
    return Numeral(digits, i + 1, suffix=_SUFFIXES.get(text[len(digits) :], ""))


def _may_be_scaled(text: str) -> bool:
    """Return whether ``text`` can be the figures before "thousand"."""
    return text.isdecimal() and len(text) <= 3 and text[0] != "0"


def _repeated(words: Words, i: int) -> Numeral | None:
    """Return "double five" as "55"; None for other words."""
    times = _REPEATED.get(words[i].text, 0)
    text = _text(words, i + 1) if times else ""
    value, suffix = _ONES.get(text, (0 if text in ("0", "zero") else 10, ""))
    digit = text if len(text) == 1 and text.isdecimal() else str(value)
    return Numeral(times * digit, i + 2) if len(digit) == 1 and not suffix else None


def _half(words: Words, i: int) -> Numeral | None:
    """Return "half a million" as a number; None for other words."""
    power, suffix = _POWERS.get(_text(words, i + 2), (0, ""))
    is_half = words[i].text == "half" and _text(words, i + 1) == "a" and power and not suffix
    return Numeral("5" + "0" * (power - 1), i + 3) if is_half else None


def _fraction(words: Words, i: int) -> tuple[str, int]:
    """Return the digits from ``i`` on and the index after them."""
    if _text(words, i).isdecimal():
        return words[i].text, i + 1
    digits = ""
    while _text(words, i):
        part = _below_hundred(words, i)
        if part is not None and not part.suffix:
            digits, i = digits + part.whole, part.end
        elif words[i].text == "zero":
            digits, i = digits + "0", i + 1
        else:
            break
    return digits, i


def _and_a_half(words: Words, found: Numeral) -> Numeral:
    end = found.end
    if found.fraction or [_text(words, end + k) for k in range(3)] != ["and", "a", "half"]:
        return found
    if found.scale >= 3:  # a million and a half
        zeros = "0" * (found.scale - 1)
        return replace(found, whole=f"{found.whole[: -found.scale]}5{zeros}", end=end + 3)
    return replace(found, fraction="5", end=end + 3)


def _scaled(words: Words, found: Numeral) -> Numeral:
    """Return a number like "3.5 million" in digits."""
    power, suffix = _POWERS.get(_text(words, found.end), (0, ""))
    if not power or found.scale:
        return found
    digits = found.whole + found.fraction.ljust(power, "0")
    at = len(found.whole) + power
    whole = digits[:at]
    if found.whole in ("", "0"):
        whole = whole.lstrip("0") or "0"
    return Numeral(whole, found.end + 1, digits[at:].rstrip("0"), suffix, power)


def _power(words: Words, i: int) -> int:
    return _POWERS.get(_text(words, i), (0, ""))[0]


def _below_hundred(words: Words, i: int) -> Numeral | None:
    text = words[i].text
    if text in _ONES:
        value, suffix = _ONES[text]
        return Numeral(str(value), i + 1, suffix=suffix)
    if text not in _TENS:
        return None
    value, suffix = _TENS[text]
    one, one_suffix = _ONES.get(_text(words, i + 1), (0, ""))
    if suffix or not 0 < one < 10:
        return Numeral(str(value), i + 1, suffix=suffix)
    return Numeral(str(value + one), i + 2, suffix=one_suffix)


def _group(words: Words, i: int) -> Numeral | None:
    """Return the number that can precede "thousand": up to 999, or "twenty-five hundred"."""
    text = words[i].text if i < len(words) else ""
    if _may_be_scaled(text) and _power(words, i + 1):
        found = Numeral(text, i + 1)
    elif _POWERS.get(text, (0, ""))[0] == 2 and text != "hundreds":
        found = Numeral("1", i)
    elif i < len(words) and (part := _below_hundred(words, i)):
        found = part
    else:
        return None
    power, suffix = _POWERS.get(
        words[i].text if found.end == i else _text(words, found.end), (0, "")
    )
    if found.suffix or power != 2:
        return found
    found = Numeral(str(int(found.whole) * 100), found.end + 1, suffix=suffix, scale=2)
    rest_at = found.end + (_text(words, found.end) == "and")
    rest = _below_hundred(words, rest_at) if not suffix and _text(words, rest_at) else None
    if rest is None or _power(words, rest.end) == 2 or _are_single_digits(words, rest_at):
        return found
    return Numeral(str(int(found.whole) + int(rest.whole)), rest.end, suffix=rest.suffix)


def _are_single_digits(words: Words, i: int) -> bool:
    """Return whether three single digits follow, as in "eight hundred five five five"."""
    texts = [_text(words, i + k) for k in range(3)]
    return all(text == "zero" or 0 < _ONES.get(text, (0, ""))[0] < 10 for text in texts)


def _term(words: Words, i: int) -> tuple[Numeral, int] | None:
    """Return a group times the power of ten that follows it, and that power (0 if none follows)."""
    found = _group(words, i)
    if found is None or found.suffix:
        return (found, 0) if found else None
    power, suffix = _POWERS.get(_text(words, found.end), (0, ""))
    end = found.end + 1
    if power == 3 and not suffix and _power(words, end) >= 6:  # thousand million
        more, suffix = _POWERS[words[end].text]
        power, end = power + more, end + 1
    if power < 3:
        return found, 0
    return Numeral(found.whole + "0" * power, end, suffix=suffix, scale=power), power


def _alone(words: Words, i: int) -> tuple[Numeral, int] | None:
    """Return "thousand" after "a" as 1000; None elsewhere."""
    power, suffix = _POWERS.get(words[i].text, (0, ""))
    after_a = i > 0 and words[i - 1].text == "a" and not words[i].pause
    if power < 3 or suffix in ("s", "ths") or not (after_a or suffix):
        return None
    return Numeral("1" + "0" * power, i + 1, suffix=suffix, scale=power), power


def _cardinal(words: Words, i: int) -> Numeral | None:
    """Return a number in words, or one like "5 million"."""
    term = _term(words, i) or _alone(words, i)
    if term is None:
        return None
    found, power = term
    total = int(found.whole)
    while power and not found.suffix and found.end < len(words):
        pause = words[found.end].pause
        at = found.end + (words[found.end].text == "and")
        term = _term(words, at) if at == found.end or _text(words, at) else None
        if term is None or pause not in ("", ","):
            break
        value = int(term[0].whole)
        if value >= 10**power or (pause and value < 100):
            break
        found, power = term
        total += value
    return replace(found, whole=str(total))
