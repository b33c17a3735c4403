"""Languages that Whisper knows: codes, names and other spellings."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping

from asr_core.errors import LanguageError
from asr_core.text.plain_text import shorten

__all__ = ["LANGUAGES", "language_code"]

LANGUAGES: Mapping[str, str] = {
    "en": "English",
    "zh": "Chinese",
    "de": "German",
    "es": "Spanish",
    "ru": "Russian",
    "ko": "Korean",
    "fr": "French",
    "ja": "Japanese",
    "pt": "Portuguese",
    "tr": "Turkish",
    "pl": "Polish",
    "ca": "Catalan",
    "nl": "Dutch",
    "ar": "Arabic",
    "sv": "Swedish",
    "it": "Italian",
    "id": "Indonesian",
    "hi": "Hindi",
    "fi": "Finnish",
    "vi": "Vietnamese",
    "he": "Hebrew",
    "uk": "Ukrainian",
    "el": "Greek",
    "ms": "Malay",
    "cs": "Czech",
    "ro": "Romanian",
    "da": "Danish",
    "hu": "Hungarian",
    "ta": "Tamil",
    "no": "Norwegian",
    "th": "Thai",
    "ur": "Urdu",
    "hr": "Croatian",
    "bg": "Bulgarian",
    "lt": "Lithuanian",
    "la": "Latin",
    "mi": "Maori",
    "ml": "Malayalam",
    "cy": "Welsh",
    "sk": "Slovak",
    "te": "Telugu",
    "fa": "Persian",
    "lv": "Latvian",
    "bn": "Bengali",
    "sr": "Serbian",
    "az": "Azerbaijani",
    "sl": "Slovenian",
    "kn": "Kannada",
    "et": "Estonian",
    "mk": "Macedonian",
    "br": "Breton",
    "eu": "Basque",
    "is": "Icelandic",
    "hy": "Armenian",
    "ne": "Nepali",
    "mn": "Mongolian",
    "bs": "Bosnian",
    "kk": "Kazakh",
    "sq": "Albanian",
    "sw": "Swahili",
    "gl": "Galician",
    "mr": "Marathi",
    "pa": "Punjabi",
    "si": "Sinhala",
    "km": "Khmer",
    "sn": "Shona",
    "yo": "Yoruba",
    "so": "Somali",
    "af": "Afrikaans",
    "oc": "Occitan",
    "ka": "Georgian",
    "be": "Belarusian",
    "tg": "Tajik",
    "sd": "Sindhi",
    "gu": "Gujarati",
    "am": "Amharic",
    "yi": "Yiddish",
    "lo": "Lao",
    "uz": "Uzbek",
    "fo": "Faroese",
    "ht": "Haitian Creole",
    "ps": "Pashto",
    "tk": "Turkmen",
    "nn": "Nynorsk",
    "mt": "Maltese",
    "sa": "Sanskrit",
    "lb": "Luxembourgish",
    "my": "Myanmar",
    "bo": "Tibetan",
    "tl": "Tagalog",
    "mg": "Malagasy",
    "as": "Assamese",
    "tt": "Tatar",
    "haw": "Hawaiian",
    "ln": "Lingala",
    "ha": "Hausa",
    "ba": "Bashkir",
    "jw": "Javanese",
    "su": "Sundanese",
    "yue": "Cantonese",
}
"""English name by code, in the order of the model's tokens (Radford et al. 2022)."""

_NATIVE_NAMES: Mapping[str, str] = {
    "zh": "中文",
    "de": "Deutsch",
    "es": "español",
    "ru": "русский",
    "ko": "한국어",
    "fr": "français",
    "ja": "日本語",
    "pt": "português",
    "tr": "Türkçe",
    "pl": "polski",
    "ca": "català",
    "nl": "Nederlands",
    "ar": "العربية",
    "sv": "svenska",
    "it": "italiano",
    "hi": "हिन्दी",
    "fi": "suomi",
    "vi": "Tiếng Việt",
    "he": "עברית",
    "uk": "українська",
    "el": "ελληνικά",
    "cs": "čeština",
    "ro": "română",
    "da": "dansk",
    "hu": "magyar",
    "no": "norsk",
    "th": "ไทย",
    "ur": "اردو",
    "hr": "hrvatski",
    "bg": "български",
    "lt": "lietuvių",
    "cy": "Cymraeg",
    "sk": "slovenčina",
    "fa": "فارسی",
    "lv": "latviešu",
    "bn": "বাংলা",
    "sr": "српски",
    "sl": "slovenščina",
    "et": "eesti",
    "mk": "македонски",
    "eu": "euskara",
    "is": "íslenska",
    "gl": "galego",
    "sq": "shqip",
    "lb": "Lëtzebuergesch",
    "yue": "粵語",
}
"""Native name by code, where it differs from the English one."""

_ALIASES: Mapping[str, str] = {
    "bangla": "bn",
    "bokmål": "no",
    "burmese": "my",
    "castilian": "es",
    "farsi": "fa",
    "filipino": "tl",
    "flemish": "nl",
    "haitian": "ht",
    "letzeburgesch": "lb",
    "mandarin": "zh",
    "moldavian": "ro",
    "moldovan": "ro",
    "norwegian bokmål": "no",
    "norwegian nynorsk": "nn",
    "panjabi": "pa",
    "pushto": "ps",
    "sinhalese": "si",
    "valencian": "ca",
}
"""Code by English name in use beside that of ``LANGUAGES``."""

_CODES = {
    **{name.casefold(): code for code, name in _NATIVE_NAMES.items()},
    **_ALIASES,
    **{name.casefold(): code for code, name in LANGUAGES.items()},
}

_WHISPER_CODES: Mapping[str, str] = {"nb": "no", "fil": "tl", "jv": "jw"}
"""Code that Whisper was trained with, by today's standard code."""

_MAX_LENGTH = 60  # characters; every language name is shorter


@functools.lru_cache(maxsize=1000)  # a table repeats the same few in each row
def language_code(text: str) -> str:
    """Return Whisper's code for a language given as a name, a code or a locale.

    ``German``, ``Deutsch``, ``DE``, ``ger``, ``de-AT`` and ``de_AT.UTF-8`` are all ``de``.

    Raises:
        LanguageError: Whisper does not know the language.
    """
    wanted = " ".join(text[: _MAX_LENGTH + 1].casefold().split())
    without_region = re.sub(r"\s*\([^)]*\)$", "", wanted)  # Portuguese (Brazil)
    code = _CODES.get(wanted) or _CODES.get(without_region) or _code_of_tag(wanted)
    if code is None or len(text) > _MAX_LENGTH:
        close = difflib.get_close_matches(wanted, _CODES, n=1, cutoff=0.75)
        hint = (
            f"did you mean {LANGUAGES[_CODES[close[0]]]}?"
            if close
            else ("give a name or a code, such as German, de or pt-BR.")
        )
        raise LanguageError(f"{shorten(text, 20)!r} is not a language that Whisper knows; {hint}")
    return code


def _code_of_tag(wanted: str) -> str | None:
    """Return the code of an IETF or ISO 639 tag or a POSIX locale; None if it is not one."""
    if wanted in LANGUAGES:
        return wanted
    import langcodes

    try:
        tag = langcodes.standardize_tag(re.split("[.@]", wanted)[0], macro=True)
        language = langcodes.Language.get(tag, normalize=False).language or ""
    except ValueError:
        return None
    code = _WHISPER_CODES.get(language, language)
    return code if code in LANGUAGES else None
