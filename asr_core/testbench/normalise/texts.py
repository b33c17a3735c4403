"""A text's words as they are compared, and where each was written.

As Whisper's normaliser does (Radford et al. 2022, appendix C): what is in brackets is left out,
case and punctuation too. Different from it, a number is its digits, in any language; marks that
change a word stay; scripts without spaces (SPACELESS) go letter by letter, whatever the language.
"""

from __future__ import annotations

import functools
import re
import sys
from array import array
from dataclasses import dataclass

import regex

from asr_core.testbench.normalise import english, english_numbers, other_numbers
from asr_core.testbench.normalise.characters import SPACELESS, plain_characters
from asr_core.testbench.normalise.english_numerals import is_numeric
from asr_core.testbench.normalise.lexemes import Lexeme, lexemes
from asr_core.testbench.normalise.zeros import in_millions

__all__ = ["Normalised", "normalised", "written_words"]

Span = tuple[int, int]

_WITHOUT_SPACES = frozenset(("zh", "yue", "ja", "th", "lo", "my", "km"))

_LONGEST_CACHED = 2000  # characters: some two minutes of speech

_NOTES = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|［[^［］]*］|【[^【】]*】")
_ASIDES = re.compile(r"\([^()]*\)|（[^（）]*）")
_WRITTEN = regex.compile(rf"(?=[{SPACELESS}])\X|(?:(?![{SPACELESS}])\S)+")
_BESIDE_SPACELESS = regex.compile(rf"(?<=[{SPACELESS}]\p{{M}}*) | (?=[{SPACELESS}])")


@dataclass(frozen=True)
class Normalised:
    """A text as it is compared.

    Attributes:
        words: of the text; none holds a space.
        starts, ends: of each word, where in the source it comes from, in characters; the
            digits of one number come from the same place.
    """

    words: tuple[str, ...]
    starts: array[int]
    ends: array[int]
    language: str

    @property
    def text(self) -> str:
        """The words with a space between any two."""
        return " ".join(self.words)

    @property
    def letters(self) -> str:
        """The text without spaces that are not written, such as those between Thai letters."""
        if self.language in _WITHOUT_SPACES:
            return "".join(self.words)
        return self.text if self.text.isascii() else _BESIDE_SPACELESS.sub("", self.text)


def normalised(text: str, language: str) -> Normalised:
    """Return ``text`` of ``language``, a code, as it is compared."""
    normalise = _cached if len(text) <= _LONGEST_CACHED else _normalised
    return normalise(text, language.lower().partition("-")[0])


def _normalised(text: str, language: str) -> Normalised:
    found = _words(_without_asides(text, language), language)
    if language == "en":
        found = list(in_millions(english_numbers.in_digits(found)))
        words = tuple(english.american(word.text) for word in found)
    else:
        found = list(in_millions(other_numbers.in_digits(found, language)))
        words = tuple(word.text for word in found)
    return Normalised(
        tuple(map(sys.intern, words)),
        array("L", (word.start for word in found)),
        array("L", (word.end for word in found)),
        language,
    )


_cached = functools.lru_cache(maxsize=16_384)(_normalised)


def written_words(text: str) -> list[Span]:
    """Return where each word of ``text`` is, in characters; letters where there are no spaces."""
    if text.isascii():
        return [match.span() for match in re.finditer(r"\S+", text)]
    return [match.span() for match in _WRITTEN.finditer(text)]


def _words(text: str, language: str) -> list[Lexeme]:
    plain = plain_characters(text, language)
    if language != "en":
        return list(lexemes(plain, english=False))
    return list(english.without_fillers(lexemes(english.written_out(plain), english=True)))


def _without_asides(text: str, language: str) -> str:
    """Return ``text`` with spaces for notes in brackets, and for asides without a number."""

    def blank(match: re.Match[str]) -> str:
        return " " * len(match[0])

    def blank_wordy(match: re.Match[str]) -> str:
        words = _words(match[0], language)
        if language != "en":
            words = other_numbers.in_digits(words, language)
        return match[0] if any(is_numeric(word.text) for word in words) else blank(match)

    return _ASIDES.sub(blank_wordy, _NOTES.sub(blank, text))
