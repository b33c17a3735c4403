from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.decoding.fallback import (
    FALLBACK_SCHEDULE,
    Attempts,
    decode_with_fallback,
    needs_fallback,
    select_hypothesis,
)
from asr_core.engines.base import Hypothesis, Window
from asr_core.transcript import Word
from tests.support.texts import hypothesis

WINDOW = Window(np.zeros(0, np.float32), prompt="Acme")


def test_repetition_and_low_probability_need_a_fallback() -> None:
    assert not needs_fallback(hypothesis("all is well"))
    assert needs_fallback(hypothesis("all is well", logprob=-1.5))
    assert needs_fallback(hypothesis("all is well", ratio=3, logprob=-0.8))
    assert needs_fallback(hypothesis("he said no no no", logprob=-0.8))
    assert not needs_fallback(hypothesis(""))


@pytest.mark.parametrize("text", ["he said no no no", "we shall see " * 4, "six six six six"])
def test_a_repetition_that_took_its_time_is_accepted(text: str) -> None:
    assert not needs_fallback(hypothesis(text, ratio=2.6, each_s=0.3))
    assert needs_fallback(hypothesis(text, ratio=2.6, each_s=0.05))


def test_one_repetition_without_time_makes_a_loop() -> None:
    spoken, again = hypothesis("we shall see them " * 3, each_s=0.4), "we shall see them"
    crammed = tuple(Word(f" {w}", 4.8, 4.82, 0.9) for w in again.split())
    looped = replace(spoken, words=(*spoken.words, *crammed), compression_ratio=2.6)
    assert needs_fallback(looped)
    assert not needs_fallback(replace(spoken, compression_ratio=2.6))


def test_words_repeated_in_no_time_need_a_fallback_wherever_they_stand() -> None:
    spoken = hypothesis("zero nine five four six one", each_s=0.8)
    unspoken = tuple(
        Word(f" {w}", 4.8, 4.8, 0.9) for w in ["three", "zero", "nine", "five", "four", "six"]
    )
    assert not needs_fallback(spoken)
    assert needs_fallback(replace(spoken, words=(*spoken.words, *unspoken)))
    others = tuple(
        Word(f" {w}", 4.8, 4.8, 0.9) for w in ["we", "had", "everything", "before", "us"]
    )
    assert not needs_fallback(replace(spoken, words=(*spoken.words, *others)))


def test_a_few_short_words_need_no_fallback_for_their_time() -> None:
    assert not needs_fallback(hypothesis("yes", each_s=0.06))
    assert not needs_fallback(hypothesis("thank you so much", each_s=0.08))


def test_fallbacks_penalise_repetition_and_then_drop_the_prompt() -> None:
    doubtful = hypothesis("no no no no", logprob=-1.5)
    attempts, windows = Attempts(), []
    while not attempts.is_done:
        windows.append(attempts.next_window(WINDOW))
        attempts = attempts.adding(doubtful)
    assert windows[0] == WINDOW
    assert [window.prompt for window in windows] == ["Acme", "Acme", "", ""]
    assert [window.repetition_penalty for window in windows] == [1.0, 1.0, 1.15, 1.3]
    assert [window.context_s for window in windows] == [None, 30.0, 30.0, 30.0]


def test_attempts_end_with_the_first_that_changes_nothing() -> None:
    first = Attempts().adding(hypothesis("oh zero", logprob=-1.5))
    assert not first.is_done
    assert not first.adding(hypothesis("no zero", logprob=-1.5)).is_done
    assert first.adding(hypothesis("oh zero", logprob=-1.4)).is_done


def test_a_word_alone_is_not_decoded_again() -> None:
    """With the context that a fallback has it is never mended, and sometimes misheard."""
    assert Attempts().adding(hypothesis("zero", logprob=-1.5)).is_done


def test_a_passage_is_never_written_again_in_no_time() -> None:
    """Not even where all attempts do so."""
    spoken = hypothesis("zero nine five four six one", each_s=0.8)
    again = tuple(Word(f" {w}", 4.8, 4.8, 0.9) for w in ["nine", "five", "four", "six"])
    after = (Word(" three", 4.8, 5.4, 0.9),)
    words = (*spoken.words, *again, *after)
    tokens, logprobs = tuple((i,) for i in range(len(words))), (-0.1,) * len(words)
    written = replace(spoken, words=words, word_tokens=tokens, word_logprobs=logprobs)
    assert needs_fallback(written)
    selected = select_hypothesis([written, written])
    assert selected.words == (*spoken.words, *after)
    assert selected.word_tokens == (*tokens[: len(spoken.words)], *tokens[-1:])


def test_a_phrase_that_two_attempts_repeat_equally_often_was_spoken() -> None:
    thrice = hypothesis("never never never", logprob=-0.6)
    other = hypothesis("never ever", logprob=-1.2)
    assert select_hypothesis([thrice, other, thrice]) is thrice
    assert select_hypothesis([hypothesis("no no no no", logprob=-0.1, each_s=0.02), other]) is other


@given(st.lists(st.lists(st.sampled_from([-0.2, -1.2, -2.0]), min_size=4, max_size=4)))
def test_attempts_one_by_one_equal_those_of_a_batch(logprobs: list[list[float]]) -> None:
    """A live session decodes windows one by one, a file in batches."""
    settings = [(1.0, None), *FALLBACK_SCHEDULE]
    windows = [replace(WINDOW, language=str(i)) for i in range(len(logprobs))]
    answers = {
        (str(i), *setting): hypothesis(f"so it is {setting}", logprob=logprob)
        for i, each in enumerate(logprobs)
        for logprob, setting in zip(each, settings, strict=True)
    }

    def transcribe(some: Sequence[Window]) -> list[Hypothesis]:
        return [answers[str(w.language), w.repetition_penalty, w.context_s] for w in some]

    alone = []
    for window in windows:
        attempts = Attempts()
        while not attempts.is_done:
            [answer] = transcribe([attempts.next_window(window)])
            attempts = attempts.adding(answer)
        alone.append(attempts)
    assert decode_with_fallback(windows, transcribe) == alone
    for each, attempts in zip(logprobs, alone, strict=True):
        n_wanted = next((n for n, logprob in enumerate(each, 1) if logprob > -1), len(each))
        assert len(attempts.hypotheses) == n_wanted
