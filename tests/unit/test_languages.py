from __future__ import annotations

import subprocess
import sys

import pytest

from asr_core.errors import LanguageError
from asr_core.languages import LANGUAGES, language_code


def test_every_code_and_name_gives_its_own_language() -> None:
    for code, name in LANGUAGES.items():
        assert language_code(code) == language_code(code.upper()) == code
        assert language_code(name) == language_code(name.lower()) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("English", "en"),
        (" en ", "en"),
        ("EN", "en"),
        ("en-US", "en"),
        ("en_GB.UTF-8", "en"),
        ("eng", "en"),
        ("zh-CN", "zh"),
        ("zh_TW", "zh"),
        ("zh-Hant", "zh"),
        ("cmn-Hans-CN", "zh"),
        ("zho", "zh"),
        ("Mandarin", "zh"),
        ("zh-yue", "yue"),
        ("Deutsch", "de"),
        ("ger", "de"),
        ("FRANÇAIS", "fr"),
        ("日本語", "ja"),
        ("pt_BR", "pt"),
        ("Portuguese (Brazil)", "pt"),
        ("iw", "he"),
        ("nb-NO", "no"),
        ("nob", "no"),
        ("nn", "nn"),
        ("jv", "jw"),
        ("fil", "tl"),
        ("Filipino", "tl"),
        ("Farsi", "fa"),
        ("sr-Latn-RS", "sr"),
        ("Haitian  Creole", "ht"),
    ],
)
def test_names_codes_and_locales_are_understood(text: str, code: str) -> None:
    assert language_code(text) == code


@pytest.mark.parametrize(
    "text", ["", "klingon", "tlh", "C", "und", "x", "-", "en" * 10**6, "\ud800"]
)
def test_an_unknown_language_gets_one_sentence(text: str) -> None:
    with pytest.raises(LanguageError) as error:
        language_code(text)
    assert len(str(error.value)) < 150
    assert str(error.value).isprintable()


def test_a_misspelt_language_gets_a_suggestion() -> None:
    with pytest.raises(LanguageError, match="did you mean German"):
        language_code("Germn")


def test_languages_load_nothing_heavy() -> None:
    seen = "import sys, asr_core.languages; sys.exit('langcodes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", seen], check=False).returncode == 0
