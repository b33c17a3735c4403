"""Unicode normalisation: width, case, optional marks and digits.

Marks that change a word stay: vowel signs and viramas of Indic scripts, Thai tones, accents.
Points that most writers leave out are dropped: Arabic and Hebrew vowel points, the tatweel.
"""

from __future__ import annotations

import functools
import re
import unicodedata

import regex
from whisper_normalizer.basic import ADDITIONAL_DIACRITICS

from asr_core.evaluation.normalise.traced_text import TracedText

__all__ = ["KEPT", "SPACELESS", "normalise_characters"]

KEPT = ".,;:!?'-+/%$¢£€¥₹°"
"""Symbols that numbers and contractions need; all others become spaces."""

SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}ー\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}"
"""Scripts written without spaces, for a class of ``regex``."""

_REPLACED = {
    **dict.fromkeys("’‘‛ʼʻʹ′`´ꞌ", "'"),
    **dict(zip("。、؟،؛।…", ".,?,;..", strict=True)),
    "⁄": "/",
    "\N{MINUS SIGN}": "-",
}

# Arabic honorifics, harakat, superscript alef, Koranic signs and tatweel.
_ARABIC_POINTS = "\u0610-\u061a\u064b-\u0652\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0640"
_HEBREW_POINTS = "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
_OPTIONAL = re.compile(f"[{_ARABIC_POINTS}{_HEBREW_POINTS}]")
_ARABIC_OPTIONAL = re.compile(f"[{_ARABIC_POINTS}]")  # Yiddish needs its points to tell vowels

_ACCENTS = re.compile("[\u0300-\u036f]")
_VARIATIONS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# NFKC decomposes the vowel am of Thai and Lao; a tone mark may lie between its parts.
_THAI_AM = re.compile("\u0e4d([\u0e48-\u0e4b]?)\u0e32")
_LAO_AM = re.compile("\u0ecd([\u0ec8-\u0ecb]?)\u0eb2")

_CLUSTER = regex.compile(
    "\\X(?:(?<=\u0e4d[\u0e48-\u0e4b]?)\u0e32|(?<=\u0ecd[\u0ec8-\u0ecb]?)\u0eb2)?"
)
_DOTLESS = frozenset(("tr", "az"))  # languages whose I is the capital of ı
_LONGEST_CACHED_CLUSTER = 16


def normalise_characters(text: str, language: str) -> TracedText:
    """Return ``text`` in lower case with only letters, marks, ASCII digits, spaces and KEPT."""
    if text.isascii() and language not in _DOTLESS:
        return TracedText(text.lower().translate(_ASCII), range(len(text)))
    pieces: list[str] = []
    origins: list[int] = []
    for match in _CLUSTER.finditer(text):
        cluster = match[0]
        plain = _cached if len(cluster) <= _LONGEST_CACHED_CLUSTER else _plain
        piece = plain(cluster, language)
        pieces.append(piece)
        origins += [match.start()] * len(piece)
    return TracedText("".join(pieces), origins)


def _plain(cluster: str, language: str) -> str:
    """Return a grapheme cluster in normalised form."""
    fits = unicodedata.normalize("NFKC", cluster)
    if language in _DOTLESS:
        fits = fits.replace("İ", "i").replace("I", "ı")
    fits = fits.lower().replace("i\u0307", "i").replace("ς", "σ")
    fits = _LAO_AM.sub("\\1\u0eb3", _THAI_AM.sub("\\1\u0e33", fits))
    fits = (_ARABIC_OPTIONAL if language == "yi" else _OPTIONAL).sub("", fits)
    if language == "en":
        bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", fits))
        fits = unicodedata.normalize("NFC", bare)
        fits = "".join(ADDITIONAL_DIACRITICS.get(character, character) for character in fits)
    if "⁄" in fits:  # ½ after a digit is a number of its own
        fits = " " + fits
    out = ""
    for character in _VARIATIONS.sub("", fits):
        out += _character(character, after=out)
    return out


_cached = functools.lru_cache(maxsize=16_384)(_plain)


def _character(character: str, after: str) -> str:
    character = _REPLACED.get(character, character)
    category = unicodedata.category(character)
    if character in KEPT or category == "Pd":
        return character if character in KEPT else "-"
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Mn", "Mc"):  # without a letter before it, the mark is the rest of a symbol
        return character if after[-1:].isalnum() or _is_mark(after[-1:]) else ""
    if category in ("Cf", "Me"):
        return ""
    return " " if category[0] in "PSZ" or category in ("Cc", "Cs") else character


def _is_mark(character: str) -> bool:
    return bool(character) and unicodedata.category(character) in ("Mn", "Mc")


_ASCII = {code: _plain(chr(code), "en") for code in range(128)}
