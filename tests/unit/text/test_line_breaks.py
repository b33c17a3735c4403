from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.text.line_breaks import (
    MAX_LINE_WIDTH,
    display_width,
    mark_right_to_left,
    split_at_breaks,
)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "It |is |3.5 |km, |well-known |and/or |see |www.example.com/path."),
        ("fr", "« Bonjour ! » |dit-il : |oui ?"),
        ("ko", "안녕하세요 |반갑습니다"),
        ("ar", "هل |أنت |بخير؟"),
        ("hi", "क्या |आप |ठीक |हैं।"),
        ("zh", "今天|天气|很好，|我们|去|公园。|他|说：|“好的！”"),
        ("ja", "今日は|とても|天気が|良いので、|「公園に|行く」|と|言う。"),
        ("th", "สวัสดี|ครับ|วัน|นี้|อากาศ|ดี|มาก"),
        ("lo", "ສະບາຍດີ|ມື້ນີ້|ອາກາດ|ດີ|ຫຼາຍ"),
        ("km", "សួស្តី|ថ្ងៃនេះ|អាកាសធាតុ|ល្អ|ណាស់"),
        ("my", "မင်္ဂလာ|ပါ|ဒီ|နေ့"),
        (None, "我|用|Python |写|code，|OK|吗？"),
    ],
)
def test_lines_break_by_the_rules_of_the_script(language: str | None, text: str) -> None:
    assert split_at_breaks(text.replace("|", ""), language) == text.split("|")


@given(
    st.text("ab -.é\u0301日本ーっ。」「กำ่ឡើ\U0001f1e9\U0001f469\u200d", max_size=40).map(str.strip),
    st.sampled_from(["en", "ja", "th", "km", "xx", None]),
)
def test_the_pieces_add_up_to_the_text(text: str, language: str | None) -> None:
    pieces = split_at_breaks(text, language)
    assert "".join(pieces) == text
    assert not any(piece[0] in "\u0301่ำ" for piece in pieces[1:])


def test_text_without_break_points_is_broken_where_it_must_be() -> None:
    katakana = "コンピューターシステムアーキテクチャーデザインパターン"
    pieces = split_at_breaks(katakana, "ja")
    assert all(display_width(piece) <= MAX_LINE_WIDTH for piece in pieces)
    assert not any(piece[0] in "ーュャ" for piece in pieces)
    assert split_at_breaks("a" * 60 + "é") == ["a" * 60 + "é"]


def test_a_character_with_its_marks_counts_once() -> None:
    assert display_width("e\u0301a\u0308") == 2
    assert display_width("กำลัง") == 3
    assert display_width("नमस्ते") <= 4
    assert display_width("日本") == 5
    assert display_width("\u200f\u200b") == 0


def test_sixteen_full_width_characters_fill_a_line() -> None:
    assert display_width("日" * 16) <= MAX_LINE_WIDTH < display_width("日" * 17)


def test_only_right_to_left_text_is_marked() -> None:
    assert mark_right_to_left(["Hello."], "en") == ("Hello.",)
    assert mark_right_to_left(["Hello."], "ar") == ("Hello.",)
    assert mark_right_to_left(["שלום!"], None) == ("\u202bשלום!\u202c",)
    assert mark_right_to_left(["He said שלום to me."], "en") == ("He said שלום to me.",)
    assert mark_right_to_left(["iPhone של אבא", "2."], "he") == (
        "\u202biPhone של אבא\u202c",
        "\u202b2.\u202c",
    )
