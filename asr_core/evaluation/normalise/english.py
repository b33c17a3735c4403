"""English contractions, fillers and spelling.

They follow Whisper's normaliser (Radford et al. 2022, appendix C); numbers have rules of their own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

from whisper_normalizer.english import EnglishTextNormalizer

from asr_core.evaluation.normalise.english_numerals import is_numeric
from asr_core.evaluation.normalise.lexemes import Lexeme
from asr_core.evaluation.normalise.traced_text import TracedText

__all__ = ["drop_fillers", "expand_contractions", "to_american"]

FILLERS = frozenset(("hmm", "mm", "mhm", "mmm", "uh", "um"))


def expand_contractions(text: TracedText) -> TracedText:
    """Return ``text`` with contractions and units of numbers written out."""
    for mark, pattern, words in _rules():
        if mark in text.text:
            text = text.sub(pattern, words)
    return text


@functools.cache
def _rules() -> list[tuple[str, re.Pattern[str], str]]:
    """Return rules: a text that must occur for the rule to apply, a pattern, its replacement."""
    ours = [
        ("clock", r"\bo'? ?clock\b", "oclock"),
        ("mail", r"\be[- ]mail", "email"),
        ("cent", r"\bper cent\b", "percent"),
        ("fourths", r"\bfourths\b", "quarters"),
        ("°c", r"°c\b", " degrees celsius"),
        ("°f", r"°f\b", " degrees fahrenheit"),
        ("°", r"°", " degrees "),
        ("m", r"(?<=\d)\.(?=\d\d ?[ap]\.?m\b)", ":"),
        *((roman, rf"\b{roman}\b", number) for roman, number in _ROMAN.items()),
        (":00", r"(?<![\d:.,]\d\d)(?<=\d):00(?![\d:])", " oclock "),
        ("1/2", r"(?<=\d)[ -]+1/2(?![\d/])", ".5"),
        ("0's", r"(?<=\d0)'s\b", "s"),
        ("'", r"\s+'", "'"),
    ]
    for numerator, denominator in _FRACTIONS:
        written = f"{numerator}/{denominator}"
        name = _DENOMINATORS[denominator] + ("s" if numerator > 1 else "")
        ours.append((written, rf"(?<![\d/.,]){written}(?![\d/])", f"{numerator} {name}"))
    theirs = [
        ("'" if "'" in pattern else re.sub(r"\\b|'", "", pattern), pattern, words)
        for pattern, words in EnglishTextNormalizer().replacers.items()
    ]
    return [(mark, re.compile(pattern), words) for mark, pattern, words in [*ours, *theirs]]


# Roman numerals that are neither words nor names.
_ROMAN = {"ii": "2", "iii": "3", "vii": "7", "viii": "8", "xii": "12"}
_DENOMINATORS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 8: "eighth"}
_FRACTIONS = [(n, d) for d in _DENOMINATORS for n in range(1, d)]


def drop_fillers(found: Iterable[Lexeme]) -> Iterator[Lexeme]:
    """Yield the lexemes that are not fillers; mm after a number is a unit."""
    last = ""
    for lexeme in found:
        if lexeme.text not in FILLERS or (lexeme.text == "mm" and is_numeric(last)):
            yield lexeme
            last = lexeme.text


def to_american(word: str) -> str:
    """Return ``word`` in American spelling."""
    return str(_spellings().get(word, word))


@functools.cache
def _spellings() -> dict[str, str]:
    return dict(EnglishTextNormalizer().standardize_spellings.mapping)
