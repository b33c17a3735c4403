from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.live.policy import (
    PATIENCE,
    agreed,
    best_cut,
    heard_whole,
    patience_s,
    remaining,
    steady,
    trust,
)
from asr_core.transcript import Word

TEXTS = st.lists(st.sampled_from(["one", "two", "three", "four", "five,"]), max_size=12)


LATER_S = 99.0
"""Audio goes on for long after every word."""


def words(texts: list[str], probability: float = 0.9) -> list[Word]:
    """A word a second."""
    return [Word(f" {text}", float(i), i + 0.8, probability) for i, text in enumerate(texts)]


def test_only_what_two_hypotheses_share_is_final() -> None:
    assert agreed(words(["it", "was", "the"]), words(["It", "was", "a", "dog"]), 99) == 2
    assert agreed([], words(["it"]), 99) == 0


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.55, 0.8, 1.0])
def test_a_word_waits_for_what_is_said_after_it(probability: float) -> None:
    both = words(["it", "was"], probability)
    needed_s = patience_s(probability)
    assert agreed(both, both, both[1].end + needed_s - 0.01) == 1
    assert agreed(both, both, both[1].end + needed_s + 0.01) == 2


def test_the_greater_doubt_of_two_hypotheses_counts() -> None:
    sure, unsure = words(["it"], 0.9), words(["it"], 0.1)
    end_s = sure[0].end + patience_s(0.9)
    assert agreed(sure, sure, end_s) == 1
    assert agreed(sure, unsure, end_s) == agreed(unsure, sure, end_s) == 0


def test_a_word_is_doubted_with_the_next() -> None:
    sure, next_unsure = words(["it", "was"]), [*words(["it"]), *words(["it", "was"], 0.1)[1:]]
    end_s = sure[0].end + patience_s(0.9)
    assert agreed(sure, sure, end_s) == agreed(next_unsure, sure, end_s) == 1
    assert agreed(sure, next_unsure, end_s) == 0


def test_trust_grows_with_each_probability() -> None:
    low, high = words(["it"], 0.4)[0], words(["it"], 0.8)[0]
    assert trust(low, low, low) == pytest.approx(0.4)
    assert trust(low, high, high) == trust(high, low, high) < trust(high, high, high)
    assert trust(high, high, low) < trust(high, high, high) == pytest.approx(0.8)


def test_doubtful_words_wait_longer() -> None:
    waits = [patience_s(trusted) for trusted in np.linspace(0, 1, 50)]
    assert waits == sorted(waits, reverse=True)
    assert {waits[0], waits[-1]} == {PATIENCE[-1][1], PATIENCE[0][1]}


@given(TEXTS, TEXTS, st.floats(0, 20))
def test_agreement_is_a_common_beginning(a: list[str], b: list[str], end_s: float) -> None:
    n = agreed(words(a), words(b), end_s)
    assert a[:n] == b[:n]
    assert all(word.end <= end_s for word in words(b)[:n])


@given(TEXTS, TEXTS)
def test_a_hypothesis_goes_on_where_the_committed_words_end(
    before: list[str], after: list[str]
) -> None:
    heard = words(before + after)
    assert remaining(words(before), heard) == tuple(heard[len(before) :])


def rest(committed: str, heard: str) -> str:
    """What is left of words said one a second, a number of several digits in as many seconds."""
    return "".join(word.text for word in remaining(spoken(committed), spoken(heard)))


def spoken(text: str) -> list[Word]:
    now, result = 0.0, []
    for word in text.split():
        seconds = max(1, sum(c.isdecimal() for c in word))
        result.append(Word(f" {word}", now, now + seconds - 0.2, 0.9))
        now += seconds
    return result


def test_other_spellings_of_the_committed_words_are_left_out() -> None:
    committed = words(["in", "the", "work", "house"])
    heard = [*words(["In", "the"]), Word(" workhouse,", 2.0, 3.8, 0.9), Word(" he", 4.0, 4.8, 0.9)]
    assert remaining(committed, heard) == tuple(heard[3:])


@pytest.mark.parametrize(
    ("committed", "heard"),
    [
        ("3.", "Three. Look in thy glass"),
        ("Three.", "3. Look in thy glass"),
        ("6, 5, 7", "six, five, seven, Look in thy glass"),
        ("six five seven", "657 Look in thy glass"),
        ("657.", "Six, five, seven. Look in thy glass"),
        ("nine oh five", "905, Look in thy glass"),
        ("٣ ٤", "three four Look in thy glass"),
        ("3", "drei. Look in thy glass"),
        ("zero", "you Look in thy glass"),
    ],
)
def test_a_final_number_is_not_written_again_in_another_spelling(
    committed: str, heard: str
) -> None:
    assert rest(committed, heard) == " Look in thy glass"


@pytest.mark.parametrize(
    ("committed", "heard", "left"),
    [
        ("six", "six six", " six"),
        ("6", "six six", " six"),
        ("six six", "6 6 6", " 6"),
        ("six six", "666", " 6"),
        ("1 2", "123", " 3"),
        ("one two", "1234, and so on", " 34, and so on"),
        ("four", "4 4 4 4", " 4 4 4"),
        ("no no", "no no no", " no"),
    ],
)
def test_what_is_said_again_after_the_final_words_is_new(
    committed: str, heard: str, left: str
) -> None:
    assert rest(committed, heard) == left


def test_a_number_heard_otherwise_stays_as_it_is_final() -> None:
    committed = [Word(" 1984", 0.0, 1.2, 0.9)]
    assert remaining(committed, [Word(" 1985", 0.0, 1.3, 0.9)]) == ()
    assert rest("one two three", "one two four") == ""


def test_times_that_differ_a_little_cost_no_word() -> None:
    committed = [Word(" one", 0.0, 0.4, 0.9), Word(" two", 0.8, 1.5, 0.9)]
    heard = [Word(" 1", 0.1, 0.3, 0.9), Word(" 2", 0.7, 1.1, 0.9), Word(" 3", 1.3, 1.9, 0.9)]
    assert remaining(committed, heard) == (heard[2],)


@pytest.mark.parametrize("text", ["3.", "Three.", "I", "No,"])
def test_a_lone_word_whose_pause_came_to_lie_before_it_is_found(text: str) -> None:
    committed = [Word(f" {text}", 0.2, 1.0, 0.9)]
    heard = [Word(f" {text}", 1.1, 2.1, 0.9), Word(" Look", 2.1, 2.8, 0.9)]
    assert remaining(committed, heard) == (heard[1],)


def test_a_short_word_is_found_though_its_time_is_off() -> None:
    committed = [*words(["and", "so"]), Word(" I", 2.0, 2.2, 0.9)]
    heard = [*words(["and", "so"]), Word(" I", 2.3, 2.5, 0.9), Word(" a", 2.5, 2.8, 0.9)]
    assert remaining(committed, heard) == (heard[3],)


def test_spellings_of_a_number_agree() -> None:
    assert agreed(words(["three", "men"]), words(["3", "men"]), LATER_S) == 2
    assert agreed(words(["three"]), words(["4"]), LATER_S) == 0


def test_a_repeated_phrase_is_told_apart_by_its_time() -> None:
    heard = words(["again", "again", "again"])
    assert remaining(heard[:2], heard) == (heard[2],)


@given(TEXTS.filter(bool))
def test_a_cut_always_sheds_something(texts: list[str]) -> None:
    assert 1 <= best_cut(words(texts)) <= len(texts)


def test_the_best_cut_is_after_a_sentence() -> None:
    assert best_cut(words(["One.", "Two", "three.", "And", "four"])) == 3
    assert best_cut(words(["It", "went.", "To", "Mr.", "John"]), "en") == 2
    gap = [*words(["a", "b", "c"]), Word(" d", 9.0, 9.5, 0.9)]
    assert best_cut(gap) == 3


def test_a_word_that_is_cut_in_two_is_not_shown() -> None:
    heard = words(["it", "was", "the"])
    assert heard_whole(heard, heard[2].end) == tuple(heard[:2])
    assert heard_whole(heard, heard[2].end + 0.2) == tuple(heard)
    doubtful = words(["it", "was", "the"], 0.3)
    assert heard_whole(doubtful, doubtful[2].end + 0.2) == tuple(doubtful[:2])


def shown_text(shown: list[str], previous: list[str], current: list[str]) -> list[str]:
    result = steady(words(shown), words(previous), words(current), LATER_S)
    return [word.text.strip() for word in result]


def test_a_shown_word_changes_only_when_it_was_heard_twice() -> None:
    was, now = ["it", "was", "the", "beast"], ["it", "was", "the", "best"]
    assert shown_text(was, was, now) == was
    assert shown_text(was, now, now) == now
    assert shown_text(was, was, ["it", "is", "the", "beast", "of"]) == [*was, "of"]


def test_a_shown_word_goes_only_when_it_was_missed_twice() -> None:
    was, now = ["it", "was", "um", "the"], ["it", "was", "the"]
    assert shown_text(was, was, now) == was
    assert shown_text(was, now, now) == now
    assert shown_text(was, now, []) == []


def test_a_shown_word_changes_at_once_where_the_change_is_believed_more() -> None:
    doubted, sure = words(["beast"], 0.2), words(["best"], 0.9)
    assert steady(doubted, doubted, sure, LATER_S) == tuple(sure)
    assert steady(sure, sure, doubted, LATER_S) == tuple(sure)
    likely = words(["best"], 0.7)
    assert steady(doubted, doubted, likely, LATER_S) == tuple(doubted)


def test_a_shown_word_stays_where_the_audio_ends_behind_it() -> None:
    shown, now = words(["it", "was"]), words(["it", "was"], 0.3)
    end_s = now[1].end + 0.1
    assert len(heard_whole(now, end_s)) == 1
    assert steady(shown, shown, now, end_s) == tuple(now)


def test_what_may_be_cut_in_two_replaces_nothing() -> None:
    shown, now = words(["it", "was"], 0.1), words(["it", "wash"])
    assert steady(shown, now, now, now[1].end) == (now[0], shown[1])
    assert steady(shown, now, now, now[1].end + 0.2) == tuple(now)


def test_the_last_word_goes_only_when_two_hypotheses_end_before_it() -> None:
    was, now = ["it", "was", "um"], ["it", "was"]
    assert shown_text(was, was, now) == was
    assert shown_text(was, now, now) == now


@given(TEXTS, TEXTS)
def test_new_words_are_shown_at_once(shown: list[str], more: list[str]) -> None:
    assert shown_text(shown, [], shown + more) == shown + more


@given(TEXTS, TEXTS)
def test_what_two_hypotheses_say_is_shown(shown: list[str], heard: list[str]) -> None:
    assert shown_text(shown, heard, heard) == heard
