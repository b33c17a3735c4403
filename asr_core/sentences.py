"""Where sentences end: a splitter for some 300 languages, asked word by word.

``sentencex`` (Wikimedia) knows the abbreviations of many languages. It is asked about the
last words and the one that follows, nothing else: what it says of a place in the text can't
change with what is said later, and costs the same after an hour.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from asr_core.transcript import Word

__all__ = ["ends_sentence", "is_end"]

_REACH = 16
"""Words before the end that the splitter reads: more than the longest chain of titles."""

_UNKNOWN = " Xx"
"""A word that begins with a capital and can follow anything, where none follows yet."""

_CLOSERS = " \"'”’»›)]}」』】》〉〕）］｝"
_OPENERS = "\"'«“„‘([¿¡-"
_WITHOUT_QUOTES = dict.fromkeys(map(ord, '"“”„‟«»‹›()[]{}「」『』【】《》〈〉〔〕（）［］｛｝'))
_KHMER_TIBETAN = "។៕།༎"  # of which the splitter knows nothing
_TERMINATORS = tuple(".?!…。？！｡．।॥؟۔։።፧။;" + _KHMER_TIBETAN)

_INITIAL = re.compile(r"(?:^|[^\w.])([^\W\d_])\.$")
_ORDINAL = re.compile(r"(?:^|\s)\d{1,2}\.$")
_ORDINALS_BEFORE_CAPITALS = ("de", "lb")  # elsewhere small letters follow ("5. maj")

# Before names, where the splitter's own lists have gaps; before small letters none are needed.
_TITLES: Mapping[str, frozenset[str]] = {
    language: frozenset(titles.split())
    for language, titles in {
        "de": "inkl exkl zzgl abzgl bzgl insb mind max min vgl evtl ggf lt",
        "fr": "mm mme mmes mlle mlles me mgr dr drs pr prof st ste av bd",
        "es": "dña dn fr gral cap tte sto sta ntra av avda",
        "pt": "av r pe fr sto sta exmo exma ilmo ilma dom",
        "it": "sig.na sig.re egr gent mons s on",
        "nl": "mw mevr dhr ds ir ing mr drs st",
        "ru": "им ул св о",
        "uk": "ім вул св о",
        "tr": "av sn doç yrd op bkz örn cad sok mah",
        "ro": "dl dna d-na d-l dr prof sf str bd",
        "vi": "ts ths gs pgs bs ks tp",
        "id": "bpk sdr yth drs ir kh hj jl tn ny",
        "ms": "en pn tn hj dr jln",
        "sv": "hr fru frk st kl nr",
        "da": "hr fr frk st nr sct",
        "no": "hr fr frk st nr",
        "hi": "डॉ श्री श्रीमती प्रो पं मो कु सं",
        "mr": "डॉ श्री श्रीमती सौ प्रा पं",
        "ne": "डा श्री प्रा पं",
        "bn": "ডা ড মো মোঃ প্রফেসর",
        "ar": "د أ م أ.د ص",
    }.items()
}

# Of the splitter's abbreviations, those that are words more often than not: "Give it to me."
_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "me may art re miss ok la ill fed pa min op del con va arc mar ore ref med reg exp",
        "de": "art bart ass mag no re sog la ok",
        "fr": "art ex sec fig vol",
        "sk": "tu no pod nám os",
    }.items()
}
# Elsewhere its lists are those of another language, or hold hundreds of words. There only these
# count, and what has no vowel; other words in small letters are words.
_OWN_LISTS = frozenset({"en", "de", "fr", "sk", "pt", "pl", "fi"})
_ABBREVIATIONS = frozenset(
    [
        "prof",
        "etc",
        "ing",
        "mgr",
        "doc",
        "mudr",
        "dra",
        "sra",
        "sres",
        "srta",
        "dott",
        "sig",
        "avv",
        "geom",
        "rag",
        "arch",
        "gen",
        "col",
        "cap",
        "lic",
        "avda",
        "av",
        "núm",
        "pág",
        "mevr",
        "ir",
        "mej",
        "eks",
        "inkl",
        "ekskl",
        "ca",
        "evt",
        "kap",
        "ul",
        "al",
        "im",
        "por",
        "gosp",
        "itd",
        "itn",
        "atd",
        "apod",
        "resp",
        "např",
        "evtl",
        "avd",
        "osv",
        "jfr",
        "bijv",
        "enz",
        "excl",
        "incl",
        "max",
        "min",
        "tel",
        "tav",
        "art",
        "ecc",
        "es",
        "fig",
    ]
)
_VOWEL = re.compile("[aeiouyæøœı]")


def ends_sentence(
    words: Sequence[Word], following: Word | None = None, language: str | None = None
) -> bool:
    """Return whether a sentence is over after the last of ``words``.

    Args:
        following: the next word, if it is known. "Mr." and "U.S." end none without it.
        language: Whisper's code; None counts as English.
    """
    text = "".join(word.text for word in words[-_REACH:])
    return is_end(text, following.text if following is not None else "", language)


def is_end(text: str, after: str, language: str | None) -> bool:
    """Return whether a sentence ends with ``text``, before ``after``.

    Args:
        after: the next word with the space before it; empty if it is not known.
    """
    text = text.strip()
    bare = text.rstrip(_CLOSERS)
    if not bare.endswith(_TERMINATORS):
        return False
    after = after if after.strip() else _UNKNOWN
    if _goes_on(text, bare, after, language):
        return False
    return _is_word(bare, after, language or "en") or _splits(bare, after, language or "en")


def _splits(text: str, after: str, language: str) -> bool:
    """Return whether the splitter begins a sentence with ``after``.

    It keeps together what quotes and brackets enclose, so that it is shown none.
    """
    from sentencex import segment

    if text.endswith(tuple(_KHMER_TIBETAN)):
        return True
    text, after = (part.translate(_WITHOUT_QUOTES) for part in (text, after))
    spaces = len(after) - len(after.lstrip())
    reached = 0
    for sentence in segment(language, text + after):
        if len(text) <= reached <= len(text) + spaces:
            return True
        reached += len(sentence)
    return False


def _goes_on(text: str, bare: str, after: str, language: str | None) -> bool:
    """Return whether what follows belongs to the sentence, whatever the splitter says."""
    begins = after.strip()
    if after[0] not in " \t" and all(c in _CLOSERS or c in _TERMINATORS for c in begins):
        return True
    if begins.islower() and begins.title() != begins:  # Georgian has no capitals there
        return True
    if text != bare and after[0].isalnum():
        return True  # 「はい。」と言った: it is told who said it
    if language in _ORDINALS_BEFORE_CAPITALS and _ORDINAL.search(bare):
        return True
    initial = _INITIAL.search(bare)
    if initial and language not in {None, "en"} and _is_initial(initial[1]):
        return True
    return _before_full_stop(bare) in _TITLES.get(language or "en", ())


def _before_full_stop(bare: str) -> str:
    """The last word in small letters; nothing if no full stop follows it."""
    last = bare.rsplit(maxsplit=1)[-1].lstrip(_OPENERS)
    return last[:-1].casefold() if last.endswith(".") else ""


def _is_word(bare: str, after: str, language: str) -> bool:
    """Return whether a full stop before a capital follows a word that is no abbreviation."""
    last = _before_full_stop(bare)
    if len(last) < 2 or not last.isalpha() or not after.lstrip(" " + _OPENERS)[:1].isupper():
        return False
    if language in _OWN_LISTS:
        return last in _WORDS.get(language, ())
    is_written_small = bare[-2].islower() and bare[-len(last) - 1].islower()
    plain = unicodedata.normalize("NFD", last)
    return is_written_small and last not in _ABBREVIATIONS and bool(_VOWEL.search(plain))


def _is_initial(letter: str) -> bool:
    """Return whether a letter is a capital, or Arabic, which has none."""
    return letter.isupper() or "\u0620" <= letter <= "\u064a"
