"""Normalised words of a text and their positions in the source.

It follows Whisper's normaliser (Radford et al. 2022, appendix C): bracketed text, case and
punctuation are dropped. Unlike there, numbers become digits in any language, marks that change a
word are kept, and scripts without spaces (SPACELESS) are split into letters whatever the language.
"""

from __future__ import annotations

import functools
import re
import sys
from array import array
from dataclasses import dataclass

import regex

from asr_core.evaluation.normalise import english, english_numbers, other_numbers
from asr_core.evaluation.normalise.characters import SPACELESS, normalise_characters
from asr_core.evaluation.normalise.english_numerals import is_numeric
from asr_core.evaluation.normalise.lexemes import Lexeme, lexemes
from asr_core.evaluation.normalise.zeros import collapse_zeros

__all__ = ["NormalisedText", "normalise_text", "word_spans"]

Span = tuple[int, int]

_WITHOUT_SPACES = frozenset(("zh", "yue", "ja", "th", "lo", "my", "km"))

_LONGEST_CACHED_TEXT = 2000  # characters; about two minutes of speech

_NOTES = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|［[^［］]*］|【[^【】]*】")
_ASIDES = re.compile(r"\([^()]*\)|（[^（）]*）")
_WRITTEN = regex.compile(rf"(?=[{SPACELESS}])\X|(?:(?![{SPACELESS}])\S)+")
_BESIDE_SPACELESS = regex.compile(rf"(?<=[{SPACELESS}]\p{{M}}*) | (?=[{SPACELESS}])")


@dataclass(frozen=True)
class NormalisedText:
    """Normalised text.

    Attributes:
        words: without spaces.
        starts, ends: position of each word in the source, in characters; the digits of one
            number share a position.
    """

    words: tuple[str, ...]
    starts: array[int]
    ends: array[int]
    language: str

    @property
    def text(self) -> str:
        """Words joined by spaces."""
        return " ".join(self.words)

    @property
    def letters(self) -> str:
        """Text without spaces that are not written, such as those between Thai letters."""
        if self.language in _WITHOUT_SPACES:
            return "".join(self.words)
        return self.text if self.text.isascii() else _BESIDE_SPACELESS.sub("", self.text)


def normalise_text(text: str, language: str) -> NormalisedText:
    """Return ``text`` of ``language``, a code, in normalised form."""
    normalise = _cached if len(text) <= _LONGEST_CACHED_TEXT else _normalise
    return normalise(text, language.lower().partition("-")[0])


def _normalise(text: str, language: str) -> NormalisedText:
    found = _words(_without_asides(text, language), language)
    if language == "en":
        found = list(collapse_zeros(english_numbers.spell_digits(found)))
        words = tuple(english.to_american(word.text) for word in found)
    else:
        found = list(collapse_zeros(other_numbers.spell_digits(found, language)))
        words = tuple(word.text for word in found)
    return NormalisedText(
        tuple(map(sys.intern, words)),
        array("L", (word.start for word in found)),
        array("L", (word.end for word in found)),
        language,
    )


_cached = functools.lru_cache(maxsize=16_384)(_normalise)


def word_spans(text: str) -> list[Span]:
    """Return start and end of each word, in characters; of each letter in scripts without spaces."""
    if text.isascii():
        return [match.span() for match in re.finditer(r"\S+", text)]
    return [match.span() for match in _WRITTEN.finditer(text)]


def _words(text: str, language: str) -> list[Lexeme]:
    plain = normalise_characters(text, language)
    if language != "en":
        return list(lexemes(plain, english=False))
    return list(english.drop_fillers(lexemes(english.expand_contractions(plain), english=True)))


def _without_asides(text: str, language: str) -> str:
    """Return ``text`` with brackets blanked, except round brackets that hold a number."""

    def blank(match: re.Match[str]) -> str:
        return " " * len(match[0])

    def blank_wordy(match: re.Match[str]) -> str:
        words = _words(match[0], language)
        if language != "en":
            words = other_numbers.spell_digits(words, language)
        return match[0] if any(is_numeric(word.text) for word in words) else blank(match)

    return _ASIDES.sub(blank_wordy, _NOTES.sub(blank, text))
