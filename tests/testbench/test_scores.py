"""Counts are jiwer's; intervals hold what they promise."""

from __future__ import annotations

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.testbench.scores import (
    Counts,
    difference,
    interval,
    normaliser,
    score,
)

words = st.lists(
    st.sampled_from(
        ["one", "two", "three", "colour", "color", "Mr.", "twenty-one", "don't", "é", "x"]
    )
)


texts = st.text(max_size=40) | st.text("12०٣.,'’-$%()[] aoद़ीئ今", max_size=40)


@given(words.filter(len), words)
def test_rates_are_those_of_jiwer_to_the_last_digit(said: list[str], got: list[str]) -> None:
    reference, hypothesis = " ".join(said), " ".join(got)
    normalise = normaliser("en")
    found = score(reference, hypothesis, "en")
    if normalise(reference):
        assert found.words.rate == jiwer.wer(normalise(reference), normalise(hypothesis))
        assert found.characters.rate == jiwer.cer(normalise(reference), normalise(hypothesis))
    assert found.raw_words.rate == jiwer.wer(reference, hypothesis)


def test_texts_are_compared_as_normalised() -> None:
    assert score("Mr. Smith's colour", "mister smith's color", "en").words.errors == 0
    assert score("Ça va?", "ça va", "fr").words.errors == 0
    assert score("你好吗", "你好", "zh").words == Counts(3, 0, 1, 0)
    assert score("Ça va?", "ça va", "fr").raw_words.errors == 2


def test_words_where_nothing_was_said_are_invented() -> None:
    assert score("", "Thank you for watching", "en").n_invented == 4
    assert score("", "Thank you for watching", "en").words.rate is None
    assert score("hello", "hello and so on and on", "en").n_invented == 5
    assert score("hello there", "hello out there", "en").n_invented == 0
    assert score("", "", "en").n_invented == 0


@given(texts, texts, st.sampled_from(["en", "de", "hi", "zh", "th", "ar"]))
def test_any_text_is_scored_and_nothing_counts_against_itself(a: str, b: str, code: str) -> None:
    assert score(a, a, code).words.errors == 0
    found = score(a, b, code)
    assert (found.words.errors == 0) == (normaliser(code)(a) == normaliser(code)(b))


@pytest.mark.parametrize(
    ("said", "heard", "language", "words", "characters"),
    [
        ("今天天气很好", "今天天汽很好", "zh", Counts(6, 1), Counts(6, 1)),
        ("東京タワーは333メートル", "東京 タワー は 333 メートル。", "ja", Counts(13), Counts(13)),
        ("在 New York 住", "在New York住", "zh", Counts(4), Counts(9)),
        ("วันนี้อากาศดี", "วันนี้ อากาศดี", "th", Counts(9), Counts(13)),
        ("वह लड़की है", "वह लड़का है", "hi", Counts(3, 1), Counts(11, 1)),
        ("كِتَابٌ جَدِيدٌ", "كتاب جديد", "ar", Counts(2), Counts(9)),
        ("ça va", "ca va", "fr", Counts(2, 1), Counts(5, 1)),
    ],
)
def test_characters_are_those_that_are_written(
    said: str, heard: str, language: str, words: Counts, characters: Counts
) -> None:
    found = score(said, heard, language)
    assert (found.words, found.characters) == (words, characters)


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        errors = rng.binomial(20, 0.1, 60)
        found = interval([Counts(20, int(e), 0, 0) for e in errors])
        assert found.low is not None and found.high is not None
        held += found.low <= 0.1 <= found.high
    assert 180 <= held <= 200


def test_a_difference_is_told_from_chance() -> None:
    rng = np.random.default_rng(1)
    first = [Counts(20, int(e), 0, 0) for e in rng.binomial(20, 0.2, 100)]
    better = [Counts(20, max(0, c.substitutions - 1), 0, 0) for c in first]
    shuffled = [first[i] for i in rng.permutation(100)]
    assert difference(first, better).verdict == "better"
    assert difference(better, first).verdict == "worse"
    assert difference(first, shuffled).verdict == "same"
    with pytest.raises(ValueError, match="nothing was said"):
        difference([Counts()], [Counts()])
