"""Numbers of the languages that text2num reads, as their digits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from text_to_num import find_numbers

from asr_core.testbench.normalise.lexemes import Lexeme, spread

__all__ = ["in_digits"]

_READ = frozenset(("da", "de", "es", "fr", "it", "nl", "pt"))


@dataclass(frozen=True)
class _Token:
    """A lexeme as text2num asks for it."""

    lexeme: Lexeme

    def text(self) -> str:
        return self.lexeme.text

    def text_lowercase(self) -> str:
        return self.lexeme.text

    def nt_separated(self, previous: _Token) -> bool:
        return bool(self.lexeme.pause)

    def not_a_number_part(self) -> bool:
        return False


def in_digits(words: Sequence[Lexeme], language: str) -> list[Lexeme]:
    """Return ``words`` with each digit of a number as a word of its own."""
    found: list[Lexeme] = []
    end = 0
    tokens = [_Token(word) for word in words] if language in _READ else []
    for number in find_numbers(tokens, language, threshold=0) if tokens else []:
        found += words[end : number.start]
        first, last = words[number.start], words[number.end - 1]
        digits = re.sub(r"[^\d,.]|[.,]$", "", number.text).replace(",", ".")
        found.append(Lexeme(digits, first.start, last.end, first.pause))
        end = number.end
    found += words[end:]
    return [
        lexeme
        for word in found
        for lexeme in (spread(word, word.text) if word.text[:1].isdigit() else [word])
    ]
