"""Text from outside, made fit for any output."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr_core.text.plain_text import sanitise, sanitise_data, shorten

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too


@given(ANY_TEXT)
def test_any_input_can_be_written_anywhere(text: str) -> None:
    made = sanitise(text)
    made.encode()
    assert not set(made) & {"\x00", "\x1b", "\r", "\x85", "\u202e", "\u2066", "\ufffe", "\ufdd0"}
    assert sanitise(made) == made


def test_characters_that_languages_need_are_kept() -> None:
    for text in ("a\tb\nc", "mí\u200cخواهم", "👩\u200d🚀", "שלום\u200f", "e\u0301"):
        assert sanitise(text) == text
    assert sanitise("a\r\nb\rc") == "a\nb\nc"


def test_texts_inside_data_are_plain_too() -> None:
    data = {"a\x00": ["\ud800", 1, None, {"b": "\u202eb"}], "c": 0.5}
    assert sanitise_data(data) == {"a\ufffd": ["\ufffd", 1, None, {"b": "b"}], "c": 0.5}


@given(ANY_TEXT, st.integers(2, 50))
def test_a_shortened_text_is_one_line_of_that_length(text: str, most: int) -> None:
    made = shorten(text, most)
    assert len(made) <= most
    assert len(made.splitlines()) <= 1
