"""Counts equal jiwer's; confidence intervals have their nominal coverage."""

from __future__ import annotations

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.evaluation.metrics import (
    ErrorCounts,
    bootstrap_interval,
    normaliser,
    paired_difference,
    score,
)

words = st.lists(
    st.sampled_from(
        ["one", "two", "three", "colour", "color", "Mr.", "twenty-one", "don't", "é", "x"]
    )
)


texts = st.text(max_size=40) | st.text("12०٣.,'’-$%()[] aoद़ीئ今", max_size=40)


@given(words.filter(len), words)
def test_rates_are_those_of_jiwer_to_the_last_digit(
    reference_words: list[str], hypothesis_words: list[str]
) -> None:
    reference, hypothesis = " ".join(reference_words), " ".join(hypothesis_words)
    normalise = normaliser("en")
    found = score(reference, hypothesis, "en")
    if normalise(reference):
        assert found.words.rate == jiwer.wer(normalise(reference), normalise(hypothesis))
        assert found.characters.rate == jiwer.cer(normalise(reference), normalise(hypothesis))
    assert found.raw_words.rate == jiwer.wer(reference, hypothesis)


def test_texts_are_compared_as_normalised() -> None:
    assert score("Mr. Smith's colour", "mister smith's color", "en").words.errors == 0
    assert score("Ça va?", "ça va", "fr").words.errors == 0
    assert score("你好吗", "你好", "zh").words == ErrorCounts(3, 0, 1, 0)
    assert score("Ça va?", "ça va", "fr").raw_words.errors == 2


def test_words_for_an_empty_reference_are_hallucinated() -> None:
    assert score("", "Thank you for watching", "en").n_hallucinated == 4
    assert score("", "Thank you for watching", "en").words.rate is None
    assert score("hello", "hello and so on and on", "en").n_hallucinated == 5
    assert score("hello there", "hello out there", "en").n_hallucinated == 0
    assert score("", "", "en").n_hallucinated == 0


@given(texts, texts, st.sampled_from(["en", "de", "hi", "zh", "th", "ar"]))
def test_any_text_is_scored_and_no_text_has_errors_against_itself(
    a: str, b: str, code: str
) -> None:
    assert score(a, a, code).words.errors == 0
    found = score(a, b, code)
    assert (found.words.errors == 0) == (normaliser(code)(a) == normaliser(code)(b))


@pytest.mark.parametrize(
    ("reference", "hypothesis", "language", "words", "characters"),
    [
        ("今天天气很好", "今天天汽很好", "zh", ErrorCounts(6, 1), ErrorCounts(6, 1)),
        (
            "東京タワーは333メートル",
            "東京 タワー は 333 メートル。",
            "ja",
            ErrorCounts(13),
            ErrorCounts(13),
        ),
        ("在 New York 住", "在New York住", "zh", ErrorCounts(4), ErrorCounts(9)),
        ("วันนี้อากาศดี", "วันนี้ อากาศดี", "th", ErrorCounts(9), ErrorCounts(13)),
        ("वह लड़की है", "वह लड़का है", "hi", ErrorCounts(3, 1), ErrorCounts(11, 1)),
        ("كِتَابٌ جَدِيدٌ", "كتاب جديد", "ar", ErrorCounts(2), ErrorCounts(9)),
        ("ça va", "ca va", "fr", ErrorCounts(2, 1), ErrorCounts(5, 1)),
    ],
)
def test_characters_are_counted_as_written(
    reference: str, hypothesis: str, language: str, words: ErrorCounts, characters: ErrorCounts
) -> None:
    found = score(reference, hypothesis, language)
    assert (found.words, found.characters) == (words, characters)


def test_a_confidence_interval_has_its_nominal_coverage() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        errors = rng.binomial(20, 0.1, 60)
        found = bootstrap_interval([ErrorCounts(20, int(e), 0, 0) for e in errors])
        assert found.low is not None and found.high is not None
        held += found.low <= 0.1 <= found.high
    assert 180 <= held <= 200


def test_a_significant_difference_is_told_from_chance() -> None:
    rng = np.random.default_rng(1)
    first = [ErrorCounts(20, int(e), 0, 0) for e in rng.binomial(20, 0.2, 100)]
    better = [ErrorCounts(20, max(0, c.substitutions - 1), 0, 0) for c in first]
    shuffled = [first[i] for i in rng.permutation(100)]
    assert paired_difference(first, better).verdict == "better"
    assert paired_difference(better, first).verdict == "worse"
    assert paired_difference(first, shuffled).verdict == "same"
    with pytest.raises(ValueError, match="have no words"):
        paired_difference([ErrorCounts()], [ErrorCounts()])
