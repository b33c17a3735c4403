"""What a browser tells of corrections, and what is drawn of them."""

from __future__ import annotations

from typing import Any

import pytest

from asr_core.corrections import corrected
from asr_core.transcript import Segment, Transcript, Word
from widgets.transcript_editor import _lines, _take, _typed_at


@pytest.fixture
def heard() -> Transcript:
    words = (Word(" Ever", 0.0, 0.5, 0.9), Word(" tried.", 0.5, 1.0, 0.9))
    later = (Word(" Fail.", 2.0, 2.5, 0.3),)
    return Transcript((Segment.of(words), Segment.of(later)), 3.0, "en")


def test_what_is_typed_is_a_correction_until_it_is_taken_back(heard: Transcript) -> None:
    texts: dict[int, str] = {}
    assert _take(texts, heard, {"0": " Never \n tried.", "1": "", "at": 7})
    assert texts == {0: "Never tried.", 1: ""}
    assert not _take(texts, heard, {"0": "Never tried.", "at": 8})
    assert _take(texts, heard, {"0": None, "at": 9})
    assert texts == {1: ""}


def test_what_the_model_heard_is_no_correction(heard: Transcript) -> None:
    texts = {0: "Never tried."}
    assert _take(texts, heard, {"0": "Ever  tried."})
    assert texts == {}


@pytest.mark.parametrize(
    "told",
    [None, 3, "text", [], {"2": "no such line"}, {"-1": "x"}, {"²": "x"}, {"9" * 5000: "x"},
     {"0": 5}, {"0": ["x"]}, {"at": "x"}],
)  # fmt: skip
def test_what_no_page_of_ours_sends_changes_nothing(heard: Transcript, told: Any) -> None:
    texts: dict[int, str] = {}
    assert not _take(texts, heard, told)
    assert texts == {}
    assert _typed_at({"texts": told}) == 0


def test_the_page_learns_what_has_arrived(heard: Transcript) -> None:
    assert _typed_at(None) == 0
    assert _typed_at({"texts": {"0": "x", "at": 1_800_000_000_000}}) == 1_800_000_000_000
    texts = {1: ""}
    first, second = _lines(heard, texts, corrected(heard, texts))
    assert (first["typed"], first["heard"]) == (None, None)
    assert (second["typed"], second["heard"], second["words"]) == ("", "Fail.", [])
