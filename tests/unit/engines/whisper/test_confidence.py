"""Word confidence from the beam's other hypotheses."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.engines.whisper.confidence import nbest_word_posteriors, relative_likelihoods

TEXTS = st.lists(st.sampled_from([" a", " b", " B,", " the"]), max_size=6)


def test_a_word_that_one_hypothesis_in_three_disputes_has_two_thirds() -> None:
    best = [" The", " sick", " corpus."]
    others = [[" the", " sick", " purpose."], [" So", " the", " sick", " Corpus"]]
    assert nbest_word_posteriors(best, others, [1.0, 1.0]) == [1.0, 1.0, 2 / 3]
    assert nbest_word_posteriors(best, others, [0.25, 0.0])[-1] == 1 / 1.25


def test_a_single_hypothesis_has_full_confidence() -> None:
    assert nbest_word_posteriors([" Ever", " tried."], [], []) == [1.0, 1.0]


@given(TEXTS, st.lists(TEXTS, max_size=4))
def test_each_word_has_at_least_the_share_of_its_own_hypothesis(
    best: list[str], others: list[list[str]]
) -> None:
    shares = nbest_word_posteriors(best, others, [1.0] * len(others))
    assert len(shares) == len(best)
    assert all(1 / (len(others) + 1) <= share <= 1 for share in shares)


@given(TEXTS, st.integers(0, 4))
def test_equal_hypotheses_support_every_word(best: list[str], n: int) -> None:
    assert nbest_word_posteriors(best, [best] * n, [0.5] * n) == [1.0] * len(best)


def test_hypotheses_are_weighted_by_their_likelihood_relative_to_the_best() -> None:
    weights = relative_likelihoods([-2.0, -3.0, -1.0])  # the third is longer: more likely per token
    assert weights == [pytest.approx(math.exp(-1)), 1.0]
