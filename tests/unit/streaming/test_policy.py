from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.streaming.config import STREAMING_DEFAULTS
from asr_core.streaming.policy import (
    agreement_confidence,
    commit_delay_s,
    drop_unfinished_tail,
    local_agreement,
    stabilize_partial,
    trim_point,
    words_after,
)
from asr_core.transcript import Word

TEXTS = st.lists(st.sampled_from(["one", "two", "three", "four", "five,"]), max_size=12)


LATER_S = 99.0
"""Audio that continues long after every word."""


def words(texts: list[str], probability: float = 0.9) -> list[Word]:
    """Return one word per second."""
    return [Word(f" {text}", float(i), i + 0.8, probability) for i, text in enumerate(texts)]


def test_only_words_that_two_hypotheses_share_are_final() -> None:
    assert local_agreement(words(["it", "was", "the"]), words(["It", "was", "a", "dog"]), 99) == 2
    assert local_agreement([], words(["it"]), 99) == 0


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.55, 0.8, 1.0])
def test_a_word_waits_for_audio_after_it(probability: float) -> None:
    both = words(["it", "was"], probability)
    needed_s = commit_delay_s(probability)
    assert local_agreement(both, both, both[1].end + needed_s - 0.01) == 1
    assert local_agreement(both, both, both[1].end + needed_s + 0.01) == 2


def test_the_lower_probability_of_two_hypotheses_counts() -> None:
    sure, unsure = words(["it"], 0.9), words(["it"], 0.1)
    end_s = sure[0].end + commit_delay_s(0.9)
    assert local_agreement(sure, sure, end_s) == 1
    assert local_agreement(sure, unsure, end_s) == local_agreement(unsure, sure, end_s) == 0


def test_an_uncertain_next_word_delays_a_word() -> None:
    sure, next_unsure = words(["it", "was"]), [*words(["it"]), *words(["it", "was"], 0.1)[1:]]
    end_s = sure[0].end + commit_delay_s(0.9)
    assert local_agreement(sure, sure, end_s) == local_agreement(next_unsure, sure, end_s) == 1
    assert local_agreement(sure, next_unsure, end_s) == 0


def test_the_delay_shrinks_with_each_probability() -> None:
    low, high = words(["it"], 0.4)[0], words(["it"], 0.8)[0]
    assert agreement_confidence(low, low, low) == pytest.approx(0.4)
    assert (
        agreement_confidence(low, high, high)
        == agreement_confidence(high, low, high)
        < agreement_confidence(high, high, high)
    )
    assert (
        agreement_confidence(high, high, low)
        < agreement_confidence(high, high, high)
        == pytest.approx(0.8)
    )


def test_uncertain_words_wait_longer() -> None:
    waits = [commit_delay_s(trusted) for trusted in np.linspace(0, 1, 50)]
    assert waits == sorted(waits, reverse=True)
    assert {waits[0], waits[-1]} == {
        STREAMING_DEFAULTS.commit_delay_s[-1][1],
        STREAMING_DEFAULTS.commit_delay_s[0][1],
    }


@given(TEXTS, TEXTS, st.floats(0, 20))
def test_agreement_is_a_common_prefix(a: list[str], b: list[str], end_s: float) -> None:
    n = local_agreement(words(a), words(b), end_s)
    assert a[:n] == b[:n]
    assert all(word.end <= end_s for word in words(b)[:n])


@given(TEXTS, TEXTS)
def test_what_follows_the_final_words_is_kept_of_an_older_hypothesis(
    final: list[str], after: list[str]
) -> None:
    spoken = words(final + after)
    assert words_after(spoken, spoken, len(final)) == tuple(spoken[len(final) :])


@pytest.mark.parametrize(
    ("older", "newer", "n_final", "left"),
    [
        ("in the workhouse he", "In the work house he", 4, "he"),
        ("in the work house he", "In the workhouse, he", 3, "he"),
        ("one two", "one two three", 3, ""),
        ("one two three", "one", 1, "two three"),
        ("a b c d", "a x y d", 2, "c d"),
        ("", "one two", 1, ""),
    ],
)
def test_an_older_hypothesis_may_spell_the_final_words_differently(
    older: str, newer: str, n_final: int, left: str
) -> None:
    rest = words_after(words(older.split()), words(newer.split()), n_final)
    assert [word.text for word in rest] == [word.text for word in words(older.split())][
        len(older.split()) - len(left.split()) :
    ]


def test_spellings_of_a_number_agree() -> None:
    assert local_agreement(words(["three", "men"]), words(["3", "men"]), LATER_S) == 2
    assert local_agreement(words(["three"]), words(["4"]), LATER_S) == 0


@given(TEXTS.filter(bool))
def test_trimming_always_drops_something(texts: list[str]) -> None:
    assert 1 <= trim_point(words(texts)) <= len(texts)


def test_the_best_trim_point_is_after_a_sentence() -> None:
    assert trim_point(words(["One.", "Two", "three.", "And", "four"])) == 3
    assert trim_point(words(["It", "went.", "To", "Mr.", "John"]), "en") == 2
    gap = [*words(["a", "b", "c"]), Word(" d", 9.0, 9.5, 0.9)]
    assert trim_point(gap) == 3


def test_a_word_cut_in_two_is_not_shown() -> None:
    hypothesis = words(["it", "was", "the"])
    assert drop_unfinished_tail(hypothesis, hypothesis[2].end) == tuple(hypothesis[:2])
    assert drop_unfinished_tail(hypothesis, hypothesis[2].end + 0.2) == tuple(hypothesis)
    doubtful = words(["it", "was", "the"], 0.3)
    assert drop_unfinished_tail(doubtful, doubtful[2].end + 0.2) == tuple(doubtful[:2])


def shown_text(shown: list[str], previous: list[str], current: list[str]) -> list[str]:
    result = stabilize_partial(words(shown), words(previous), words(current), LATER_S)
    return [word.text.strip() for word in result]


def test_a_shown_word_changes_only_if_two_hypotheses_say_so() -> None:
    was, now = ["it", "was", "the", "beast"], ["it", "was", "the", "best"]
    assert shown_text(was, was, now) == was
    assert shown_text(was, now, now) == now
    assert shown_text(was, was, ["it", "is", "the", "beast", "of"]) == [*was, "of"]


def test_a_shown_word_is_removed_only_if_two_hypotheses_lack_it() -> None:
    was, now = ["it", "was", "um", "the"], ["it", "was", "the"]
    assert shown_text(was, was, now) == was
    assert shown_text(was, now, now) == now
    assert shown_text(was, now, []) == []


def test_a_shown_word_changes_at_once_if_the_change_is_more_probable() -> None:
    doubted, sure = words(["beast"], 0.2), words(["best"], 0.9)
    assert stabilize_partial(doubted, doubted, sure, LATER_S) == tuple(sure)
    assert stabilize_partial(sure, sure, doubted, LATER_S) == tuple(sure)
    likely = words(["best"], 0.7)
    assert stabilize_partial(doubted, doubted, likely, LATER_S) == tuple(doubted)


def test_a_shown_word_stays_if_the_audio_ends_right_after_it() -> None:
    shown, now = words(["it", "was"]), words(["it", "was"], 0.3)
    end_s = now[1].end + 0.1
    assert len(drop_unfinished_tail(now, end_s)) == 1
    assert stabilize_partial(shown, shown, now, end_s) == tuple(now)


def test_a_word_that_may_be_cut_in_two_replaces_nothing() -> None:
    shown, now = words(["it", "was"], 0.1), words(["it", "wash"])
    assert stabilize_partial(shown, now, now, now[1].end) == (now[0], shown[1])
    assert stabilize_partial(shown, now, now, now[1].end + 0.2) == tuple(now)


def test_the_last_word_is_removed_only_if_two_hypotheses_end_before_it() -> None:
    was, now = ["it", "was", "um"], ["it", "was"]
    assert shown_text(was, was, now) == was
    assert shown_text(was, now, now) == now


@given(TEXTS, TEXTS)
def test_new_words_are_shown_at_once(shown: list[str], more: list[str]) -> None:
    assert shown_text(shown, [], shown + more) == shown + more


@given(TEXTS, TEXTS)
def test_words_of_two_hypotheses_are_shown(shown: list[str], hypothesis: list[str]) -> None:
    assert shown_text(shown, hypothesis, hypothesis) == hypothesis
