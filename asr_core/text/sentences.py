"""Sentence ends: a splitter for some 300 languages, applied word by word.

``sentencex`` (Wikimedia) knows the abbreviations of many languages. It sees only the last words
and the one that follows, so its decision does not change with later words, and costs the same
after an hour.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from asr_core.transcript import Word

__all__ = ["ends_sentence", "is_sentence_end"]

_N_CONTEXT_WORDS = 16
"""Words before the end that the splitter sees: more than the longest chain of titles."""

_UNKNOWN = " Xx"
"""A stand-in for a following word not yet known: it begins with a capital and fits anywhere."""

_CLOSERS = " \"'”’»›)]}」』】》〉〕）］｝"
_OPENERS = "\"'«“„‘([¿¡-"
_WITHOUT_QUOTES = dict.fromkeys(map(ord, '"“”„‟«»‹›()[]{}「」『』【】《》〈〉〔〕（）［］｛｝'))
_KHMER_TIBETAN = "។៕།༎"  # not known to the splitter
_TERMINATORS = tuple(".?!…。？！｡．।॥؟۔։።፧။;" + _KHMER_TIBETAN)

_INITIAL = re.compile(r"(?:^|[^\w.])([^\W\d_])\.$")
_ORDINAL = re.compile(r"(?:^|\s)\d{1,2}\.$")
_ORDINALS_BEFORE_CAPITALS = ("de", "lb")  # elsewhere lower case follows ("5. maj")

# Titles before names, where the splitter's lists have gaps; not needed before lower case.
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

# Abbreviations of the splitter's that are words more often than not: "Give it to me."
_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "me may art re miss ok la ill fed pa min op del con va arc mar ore ref med reg exp",
        "de": "art bart ass mag no re sog la ok",
        "fr": "art ex sec fig vol",
        "sk": "tu no pod nám os",
    }.items()
}
# For these the splitter's lists are good. For others they are those of another language, or hold
# hundreds of words; there only ``_ABBREVIATIONS`` count, and words without a vowel.
_LANGUAGES_WITH_LISTS = frozenset({"en", "de", "fr", "sk", "pt", "pl", "fi"})
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
    """Return True if a sentence ends after the last of ``words``.

    Args:
        words: the text so far.
        following: the next word, if it is known; without it "Mr." and "U.S." end no sentence.
        language: Whisper's code; None counts as English.
    """
    text = "".join(word.text for word in words[-_N_CONTEXT_WORDS:])
    return is_sentence_end(text, following.text if following is not None else "", language)


def is_sentence_end(text: str, after: str, language: str | None) -> bool:
    """Return True if a sentence ends between ``text`` and ``after``.

    Args:
        text: the last words.
        after: the next word with the space before it; empty if it is not known.
        language: Whisper's code; None counts as English.
    """
    text = text.strip()
    bare = text.rstrip(_CLOSERS)
    if not bare.endswith(_TERMINATORS):
        return False
    after = after if after.strip() else _UNKNOWN
    if _continues(text, bare, after, language):
        return False
    return _is_plain_word(bare, after, language or "en") or _splits(bare, after, language or "en")


def _splits(text: str, after: str, language: str) -> bool:
    """Return True if the splitter begins a sentence with ``after``.

    It never splits inside quotes and brackets, so these are removed first.
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


def _continues(text: str, bare: str, after: str, language: str | None) -> bool:
    """Return True if ``after`` continues the sentence, whatever the splitter says."""
    begins = after.strip()
    if after[0] not in " \t" and all(c in _CLOSERS or c in _TERMINATORS for c in begins):
        return True
    if begins.islower() and begins.title() != begins:  # Georgian has no capitals there
        return True
    if text != bare and after[0].isalnum():
        return True  # 「はい。」と言った: the speaker follows the quotation
    if language in _ORDINALS_BEFORE_CAPITALS and _ORDINAL.search(bare):
        return True
    initial = _INITIAL.search(bare)
    if initial and language not in {None, "en"} and _is_initial(initial[1]):
        return True
    return _before_full_stop(bare) in _TITLES.get(language or "en", ())


def _before_full_stop(bare: str) -> str:
    """Return the last word in lower case; nothing if no full stop follows it."""
    last = bare.rsplit(maxsplit=1)[-1].lstrip(_OPENERS)
    return last[:-1].casefold() if last.endswith(".") else ""


def _is_plain_word(bare: str, after: str, language: str) -> bool:
    """Return True if a full stop before a capital follows a word that is no abbreviation."""
    last = _before_full_stop(bare)
    if len(last) < 2 or not last.isalpha() or not after.lstrip(" " + _OPENERS)[:1].isupper():
        return False
    if language in _LANGUAGES_WITH_LISTS:
        return last in _WORDS.get(language, ())
    is_lower_case = bare[-2].islower() and bare[-len(last) - 1].islower()
    plain = unicodedata.normalize("NFD", last)
    return is_lower_case and last not in _ABBREVIATIONS and bool(_VOWEL.search(plain))


def _is_initial(letter: str) -> bool:
    """Return True if a letter is a capital, or Arabic, which has none."""
    return letter.isupper() or "\u0620" <= letter <= "\u064a"
