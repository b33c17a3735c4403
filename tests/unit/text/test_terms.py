from __future__ import annotations

import pytest

from asr_core.text.terms import parse_terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ()),
        (" , ;\n", ()),
        ("Nagg, Nell;Endgame", ("Nagg", "Nell", "Endgame")),
        ("Kalpana  Chawla\nIlan Ramon\r\nIlan Ramon", ("Kalpana Chawla", "Ilan Ramon")),
        ("東京、大阪", ("東京", "大阪")),
    ],
)
def test_a_list_is_split_at_commas_semicolons_and_line_breaks(
    text: str, terms: tuple[str, ...]
) -> None:
    assert parse_terms(text) == terms
