"""Numbers in the languages that text2num supports, as digits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from text_to_num import find_numbers

from asr_core.evaluation.normalise.lexemes import Lexeme, split_lexeme

__all__ = ["spell_digits"]

_READ = frozenset(("da", "de", "es", "fr", "it", "nl", "pt"))
# Articles that mean one only next to other numbers and before "million".
_ARTICLES = frozenset(["ein", "eine", "einer", "een", "en", "et", "un", "une", "una", "um", "uma"])


@dataclass(frozen=True)
class _Token:
    """Lexeme with the interface that text2num needs."""

    lexeme: Lexeme

    def text(self) -> str:
        return self.lexeme.text

    def text_lowercase(self) -> str:
        return self.lexeme.text

    def nt_separated(self, previous: _Token) -> bool:
        return bool(self.lexeme.pause)

    def not_a_number_part(self) -> bool:
        return False


def spell_digits(words: Sequence[Lexeme], language: str) -> list[Lexeme]:
    """Return ``words`` with each digit of a number as a word of its own."""
    found: list[Lexeme] = []
    for word in _in_figures(words, language) if language in _READ else words:
        found += split_lexeme(word, word.text) if word.text[0].isdecimal() else [word]
    return found


def _in_figures(words: Sequence[Lexeme], language: str) -> list[Lexeme]:
    """Return ``words`` with one word of digits for each number."""
    found: list[Lexeme] = []
    end = 0
    numbers = find_numbers([_Token(word) for word in words], language, threshold=0)
    sure = {i for i, word in enumerate(words) if word.text[0].isdecimal()}
    for number in numbers:
        if number.end > number.start + 1 or words[number.start].text not in _ARTICLES:
            sure.update(range(number.start, number.end))
    for number in numbers:
        if number.start not in sure and not {number.start - 1, number.end} & sure:
            continue
        found += words[end : number.start]
        first, end = words[number.start], number.end
        figures = re.sub(r"[^\d,.]|[.,]$", "", number.text).replace(",", ".")
        if found and not first.pause and (power := _power(first, language)):
            scaled = _scaled(found[-1].text, power, figures)
            first, figures = (found.pop(), scaled) if scaled else (first, figures)
        found.append(Lexeme(figures, first.start, words[end - 1].end, first.pause))
    return [*found, *words[end:]]


def _power(word: Lexeme, language: str) -> int:
    """Return the power of ten (3 or more) that ``word`` alone stands for; else 0."""
    alone = [number.text for number in find_numbers([_Token(word)], language, threshold=0)]
    power = len(alone[0]) - 1 if alone else 0
    return power if power >= 3 and alone[0] == "1" + "0" * power else 0


def _scaled(times: str, power: int, figures: str) -> str:
    """Return ``times`` times a power of ten plus the rest in ``figures``; empty if that is no number."""
    whole, _, fraction = ("1" if times in _ARTICLES else times).partition(".")
    if not whole.isdecimal() or len(whole) > 3 or len(fraction) > power or "." in figures:
        return ""
    return str(int(whole + fraction.ljust(power, "0")) + int(figures[-power:]))
