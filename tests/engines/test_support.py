"""How far the beam's other texts back a word."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.engines.support import beside_the_best, support

TEXTS = st.lists(st.sampled_from([" a", " b", " B,", " the"]), max_size=6)


def test_what_one_text_in_three_says_otherwise_is_backed_by_two() -> None:
    best = [" The", " sick", " corpus."]
    others = [[" the", " sick", " purpose."], [" So", " the", " sick", " Corpus"]]
    assert support(best, others, [1.0, 1.0]) == [1.0, 1.0, 2 / 3]
    assert support(best, others, [0.25, 0.0])[-1] == 1 / 1.25


def test_a_text_alone_is_not_doubted() -> None:
    assert support([" Ever", " tried."], [], []) == [1.0, 1.0]


@given(TEXTS, st.lists(TEXTS, max_size=4))
def test_each_word_is_backed_by_its_own_text_at_least(
    best: list[str], others: list[list[str]]
) -> None:
    shares = support(best, others, [1.0] * len(others))
    assert len(shares) == len(best)
    assert all(1 / (len(others) + 1) <= share <= 1 for share in shares)


@given(TEXTS, st.integers(0, 4))
def test_the_same_text_again_backs_all_of_it(best: list[str], n: int) -> None:
    assert support(best, [best] * n, [0.5] * n) == [1.0] * len(best)


def test_texts_weigh_as_much_as_they_are_likely_beside_the_best() -> None:
    weights = beside_the_best([-2.0, -3.0, -1.0])  # the third is longer: likelier for each token
    assert weights == [pytest.approx(math.exp(-1)), 1.0]
