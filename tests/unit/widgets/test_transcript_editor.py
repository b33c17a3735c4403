"""Corrections as the browser sends them, and as they are drawn.

The functions are private: Streamlit cannot run the component itself without a browser.
"""

from __future__ import annotations

from typing import Any

import pytest

from asr_core.output.corrections import apply_corrections
from asr_core.transcript import Segment, Transcript, Word
from widgets.transcript_editor import _last_edit, _lines, _save


@pytest.fixture
def original() -> Transcript:
    words = (Word(" Ever", 0.0, 0.5, 0.9), Word(" tried.", 0.5, 1.0, 0.9))
    later = (Word(" Fail.", 2.0, 2.5, 0.3),)
    return Transcript((Segment.from_words(words), Segment.from_words(later)), 3.0, "en")


def test_typed_text_is_a_correction_until_it_is_reverted(original: Transcript) -> None:
    texts: dict[int, str] = {}
    assert _save(texts, original, {"0": " Never \n tried.", "1": "", "at": 7})
    assert texts == {0: "Never tried.", 1: ""}
    assert not _save(texts, original, {"0": "Never tried.", "at": 8})
    assert _save(texts, original, {"0": None, "at": 9})
    assert texts == {1: ""}


def test_the_recognised_text_is_not_a_correction(original: Transcript) -> None:
    texts = {0: "Never tried."}
    assert _save(texts, original, {"0": "Ever  tried."})
    assert texts == {}


@pytest.mark.parametrize(
    "sent",
    [None, 3, "text", [], {"2": "no such line"}, {"-1": "x"}, {"²": "x"}, {"9" * 5000: "x"},
     {"0": 5}, {"0": ["x"]}, {"at": "x"}],
)  # fmt: skip
def test_an_invalid_message_changes_nothing(original: Transcript, sent: Any) -> None:
    texts: dict[int, str] = {}
    assert not _save(texts, original, sent)
    assert texts == {}
    assert _last_edit({"texts": sent}) == 0


def test_the_page_learns_which_edits_arrived(original: Transcript) -> None:
    assert _last_edit(None) == 0
    assert _last_edit({"texts": {"0": "x", "at": 1_800_000_000_000}}) == 1_800_000_000_000
    texts = {1: ""}
    first, second = _lines(original, texts, apply_corrections(original, texts))
    assert (first["typed"], first["original"]) == (None, None)
    assert (second["typed"], second["original"], second["words"]) == ("", "Fail.", [])
