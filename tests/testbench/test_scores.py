"""Counts are jiwer's; intervals hold what they promise."""

from __future__ import annotations

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.testbench.scores import (
    Counts,
    aligned,
    difference,
    interval,
    normaliser,
    score,
)
from asr_core.transcript import Word

words = st.lists(
    st.sampled_from(
        ["one", "two", "three", "colour", "color", "Mr.", "twenty-one", "don't", "é", "x"]
    )
)


def heard(text: str) -> list[Word]:
    return [Word(f" {word}", i, i + 1, 0.5) for i, word in enumerate(text.split())]


@given(words.filter(len), words)
def test_rates_are_those_of_jiwer_to_the_last_digit(said: list[str], got: list[str]) -> None:
    reference, hypothesis = " ".join(said), " ".join(got)
    normalise = normaliser("en")
    found = score(reference, hypothesis, "en")
    if normalise(reference):
        assert found.words.rate == jiwer.wer(normalise(reference), normalise(hypothesis))
        assert found.characters.rate == jiwer.cer(normalise(reference), normalise(hypothesis))
    assert found.raw_words.rate == jiwer.wer(reference, hypothesis)


def test_texts_are_compared_as_whispers_normaliser_makes_them() -> None:
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


def test_words_are_aligned_with_their_times() -> None:
    pairs = aligned("the colour of it", heard("the color off it now"), "en")
    assert [(p.said, p.heard.text.strip() if p.heard else None, p.is_right) for p in pairs] == [
        ("the", "the", True),
        ("colour", "color", True),
        ("of", "off", False),
        ("it", "it", True),
        ("", "now", False),
    ]
    [left_out] = [p for p in aligned("a b c", heard("a c"), "en") if p.heard is None]
    assert (left_out.said, left_out.start_s) == ("b", 1)


@given(words, words)
def test_an_alignment_holds_every_word_once(said: list[str], got: list[str]) -> None:
    pairs = aligned(" ".join(said), heard(" ".join(got)), "en")
    assert [p.said for p in pairs if p.said] == said
    assert [p.heard.text.strip() for p in pairs if p.heard] == got


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
