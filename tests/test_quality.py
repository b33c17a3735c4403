from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.engines.base import Hypothesis, Window
from asr_core.quality import (
    FALLBACKS,
    fallback,
    is_doubtful,
    is_silence,
    may_be_silence,
    settled,
)
from asr_core.repetition import first_turn, length_of_cycle, unspoken
from asr_core.transcript import Word


def hypothesis(
    text: str,
    logprob: float = -0.2,
    no_speech: float = 0.1,
    ratio: float = 1.2,
    each_s: float = 1.0,
) -> Hypothesis:
    words = tuple(
        Word(f" {w}", i * each_s, (i + 1) * each_s, 0.9) for i, w in enumerate(text.split())
    )
    return Hypothesis(words, (), (), (), "en", 1.0, no_speech, logprob, ratio)


@given(st.lists(st.integers(0, 3), max_size=8), st.integers(3, 6), st.integers(1, 4))
def test_a_cycle_at_the_end_is_cut_to_one_turn(start: list[int], turns: int, length: int) -> None:
    phrase = list(range(10, 10 + length))
    assert first_turn(start + phrase * turns)[-length:] == phrase
    assert len(first_turn(start + phrase * turns)) <= len(start) + length


@given(st.lists(st.integers(), unique=True))
def test_what_does_not_repeat_is_left_alone(items: list[int]) -> None:
    assert length_of_cycle(items) == 0
    assert length_of_cycle(items + items) == 0


@given(
    st.lists(st.integers(0, 99).map(str), max_size=6),
    st.lists(st.integers(100, 999).map(str), min_size=3, max_size=8, unique=True),
    st.integers(2, 4),
    st.data(),
)
def test_a_phrase_written_again_in_no_time_was_said_once(
    before: list[str], phrase: list[str], turns: int, data: st.DataObject
) -> None:
    """Wherever in the turns the alignment found no time."""
    texts = before + phrase * turns
    n_unsaid = (turns - 1) * len(phrase)
    begin = len(before) + data.draw(st.integers(0, len(phrase)))
    unsaid = range(begin, begin + n_unsaid)
    gone = unspoken(texts, [0.02 if i in unsaid else 0.3 for i in range(len(texts))])
    assert gone == list(unsaid)
    assert [text for i, text in enumerate(texts) if i not in gone] == before + phrase


@given(
    st.lists(st.integers(0, 1).map(str), max_size=12),
    st.sampled_from([0.1, 0.3, 0.5]),
)
def test_what_was_said_again_is_left(texts: list[str], each_s: float) -> None:
    assert unspoken(texts, [each_s] * len(texts)) == []


@given(
    st.lists(st.integers(0, 99).map(str), max_size=6),
    st.lists(st.integers(100, 999).map(str), min_size=3, max_size=8, unique=True),
    st.lists(st.integers(1000, 9999).map(str), max_size=6, unique=True),
    st.integers(3, 5),
    st.data(),
)
def test_one_turn_more_than_were_said_goes_wherever_it_has_no_time(
    before: list[str], phrase: list[str], after: list[str], turns: int, data: st.DataObject
) -> None:
    texts = before + phrase * turns + after
    begin = len(before) + data.draw(st.integers(0, len(phrase) * (turns - 1)))
    unsaid = range(begin, begin + len(phrase))
    gone = unspoken(texts, [0.0 if i in unsaid else 0.3 for i in range(len(texts))])
    left = [text for i, text in enumerate(texts) if i not in gone]
    assert left == before + phrase * (turns - 1) + after


def test_what_is_begun_anew_or_said_fast_is_left() -> None:
    begun = ["it", "was", "the", "age", "of", "wisdom", "it", "was", "the"]
    assert unspoken(begun, [0.3] * 6 + [0.02] * 3) == []
    assert unspoken(["no", "no", "no"], [0.3, 0.02, 0.02]) == []


def test_doubt_comes_from_repetition_and_from_low_probability() -> None:
    assert not is_doubtful(hypothesis("all is well"))
    assert is_doubtful(hypothesis("all is well", logprob=-1.5))
    assert is_doubtful(hypothesis("all is well", ratio=3, logprob=-0.8))
    assert is_doubtful(hypothesis("he said no no no", logprob=-0.8))
    assert not is_doubtful(hypothesis(""))


@pytest.mark.parametrize("text", ["he said no no no", "we shall see " * 4, "six six six six"])
def test_what_is_said_again_and_had_its_time_is_believed(text: str) -> None:
    assert not is_doubtful(hypothesis(text, ratio=2.6, each_s=0.3))
    assert is_doubtful(hypothesis(text, ratio=2.6, each_s=0.05))


def test_one_crammed_turn_among_others_is_a_loop() -> None:
    said, again = hypothesis("we shall see them " * 3, each_s=0.4), "we shall see them"
    crammed = tuple(Word(f" {w}", 4.8, 4.82, 0.9) for w in again.split())
    looped = replace(said, words=(*said.words, *crammed), compression_ratio=2.6)
    assert is_doubtful(looped)
    assert not is_doubtful(replace(said, compression_ratio=2.6))


def test_words_written_again_in_no_time_are_doubted_wherever_they_stand() -> None:
    said = hypothesis("zero nine five four six one", each_s=0.8)
    unsaid = tuple(
        Word(f" {w}", 4.8, 4.8, 0.9) for w in ["three", "zero", "nine", "five", "four", "six"]
    )
    assert not is_doubtful(said)
    assert is_doubtful(replace(said, words=(*said.words, *unsaid)))
    others = tuple(
        Word(f" {w}", 4.8, 4.8, 0.9) for w in ["we", "had", "everything", "before", "us"]
    )
    assert not is_doubtful(replace(said, words=(*said.words, *others)))


def test_a_few_short_words_are_not_doubted_for_their_time() -> None:
    assert not is_doubtful(hypothesis("yes", each_s=0.06))
    assert not is_doubtful(hypothesis("thank you so much", each_s=0.08))


def test_further_tries_repeat_less_and_then_forget_the_prompt() -> None:
    window = Window(np.zeros(0, np.float32), prompt="Acme")
    tries = [fallback(window, attempt) for attempt in range(len(FALLBACKS))]
    assert [tried.prompt for tried in tries] == ["Acme", "", ""]
    assert [tried.repetition_penalty for tried in tries] == [1.0, 1.15, 1.3]


def test_silence_needs_both_signs() -> None:
    assert is_silence([hypothesis("thanks", logprob=-1.5, no_speech=0.9)], 1.0)
    assert not is_silence([hypothesis("thanks", logprob=-0.1, no_speech=0.9)], 1.0)
    assert not is_silence([hypothesis("thanks", logprob=-1.5, no_speech=0.1)], 1.0)


def test_what_may_be_silence_waits_for_another_look() -> None:
    assert may_be_silence(hypothesis("thanks", logprob=-0.8, no_speech=0.35))
    assert not may_be_silence(hypothesis("thanks", logprob=-0.3, no_speech=0.35))
    assert not may_be_silence(hypothesis("thanks", logprob=-0.8, no_speech=0.2))


def test_what_is_hopeless_needs_less_to_count_as_silence() -> None:
    assert is_silence([hypothesis("thanks", logprob=-1.6, no_speech=0.4)], 1.0)
    assert not is_silence([hypothesis("thanks", logprob=-1.4, no_speech=0.4)], 1.0)
    assert not is_silence([hypothesis("thanks", logprob=-1.6, no_speech=0.1)], 1.0)


def test_where_silence_is_likelier_than_speech_words_must_be_sure() -> None:
    assert is_silence([hypothesis("yeah, wait a minute", logprob=-0.6, no_speech=0.6)], 1.0)
    assert not is_silence([hypothesis("yeah, wait a minute", logprob=-0.4, no_speech=0.6)], 1.0)
    assert not is_silence([hypothesis("two", logprob=-0.9, no_speech=0.45)], 0.3)


def test_words_that_last_as_long_as_the_voices_are_kept_in_noise() -> None:
    in_noise = hypothesis("so this is the corpus", logprob=-0.6, no_speech=0.6)
    assert not is_silence([in_noise], 6.0)
    assert is_silence([in_noise], 10.0)  # half of it is not accounted for
    assert is_silence([in_noise], 2.0)  # too little to tell
    assert is_silence([hypothesis("so this is the corpus", logprob=-1.1, no_speech=0.7)], 6.0)


def test_words_must_explain_the_speech() -> None:
    doubted, trusted = hypothesis("thank you", logprob=-0.8), hypothesis("thank you")
    assert is_silence([doubted], 9.0)
    assert not is_silence([doubted], 4.0)
    assert not is_silence([trusted], 9.0)
    assert not is_silence([hypothesis("you", logprob=-0.8)], 2.9)


def test_of_doubtful_tries_one_that_hears_silence_is_enough() -> None:
    silent, drawn = hypothesis("so", logprob=-1.7, no_speech=0.4), hypothesis("oh", logprob=-1.2)
    assert is_silence([silent, drawn], 1.0)
    assert not is_silence([silent, hypothesis("oh")], 1.0)
    assert settled([silent, hypothesis("oh")]).text == "oh"


def test_credits_need_a_sign_of_speech() -> None:
    assert is_silence([hypothesis("Thanks for watching!", no_speech=0.2)], 1.0)
    assert is_silence([hypothesis("Thanks for watching!", no_speech=0.0)], 9.0)
    assert not is_silence([hypothesis("Thanks for watching!", no_speech=0.0)], 3.0)
    assert not is_silence([hypothesis("Thanks for watching over us.", no_speech=0.2)], 1.0)


def test_a_phrase_that_two_tries_repeat_equally_often_was_said() -> None:
    thrice = hypothesis("never never never", logprob=-0.6)
    other = hypothesis("never ever", logprob=-1.2)
    assert settled([thrice, other, thrice]) is thrice
    assert settled([hypothesis("no no no no", logprob=-0.1, each_s=0.02), other]) is other


def test_what_goes_round_where_the_audio_has_ended_was_not_said() -> None:
    said = ["it", "was", "the", "age", "of", "wisdom", "it", "was"]
    loop = ["the", "age", "of", "the", "age", "of", "wisdom", "it", "was", "the", "age", "of"]
    seconds = [0.2] * len(said) + [0.0] * len(loop)
    assert unspoken([*said, *loop], seconds) == list(range(len(said), len(said) + len(loop)))
    assert unspoken(["so", "it", "is", "new", "words", "here"], [0.3] * 3 + [0.0] * 3) == []
