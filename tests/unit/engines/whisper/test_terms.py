"""Names and terms in the beam; tokens are numbers, 9 goes on with the word before it."""

from __future__ import annotations

import pytest

from asr_core.engines.whisper.terms import (
    FIRST_TOKEN_BONUS,
    MAX_BONUS,
    NO_TERM,
    TOKEN_BONUS,
    TermTrie,
)

END = 0
WHOLE = FIRST_TOKEN_BONUS + TOKEN_BONUS
"""Bonus for a term of two tokens."""


@pytest.fixture
def trie() -> TermTrie:
    return TermTrie([(1, 2), (1, 2, 3, 5), (4,)], lambda token: token == 9)


def bonus(trie: TermTrie, *tokens: int) -> float:
    state, total = NO_TERM, 0.0
    for token in tokens:
        state, change = trie.advance(state, token)
        total += change
    return total


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ((7, 1, 2, 7), WHOLE),
        ((1, 2, END), WHOLE),
        ((1, 2, 3, 5, 7), WHOLE + MAX_BONUS),
        ((1, 2, 3, 7), WHOLE),
        ((1, 2, 1, 2, 7), 2 * WHOLE),
        ((4, END), FIRST_TOKEN_BONUS),
        ((1, 7), 0),
        ((1, END), 0),
        ((1, 2, 9), 0),
        ((4, 9), 0),
        ((1, 4, 7), FIRST_TOKEN_BONUS),
        ((7, 8), 0),
    ],
    ids=str,
)
def test_whole_terms_are_favoured_and_beginnings_of_other_words_are_not(
    trie: TermTrie, tokens: tuple[int, ...], expected: float
) -> None:
    assert bonus(trie, *tokens) == pytest.approx(expected)


def test_candidates_go_on_with_a_term_or_begin_one(trie: TermTrie) -> None:
    assert sorted(trie.candidates(NO_TERM)) == [1, 4]
    assert sorted(trie.candidates(trie.state_after([7, 1]))) == [1, 2, 4]
