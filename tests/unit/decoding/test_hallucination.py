from __future__ import annotations

from asr_core.decoding.fallback import select_hypothesis
from asr_core.decoding.hallucination import is_silence, may_be_silence
from tests.support.texts import hypothesis


def test_silence_needs_both_signs() -> None:
    assert is_silence([hypothesis("thanks", logprob=-1.5, no_speech=0.9)], 1.0)
    assert not is_silence([hypothesis("thanks", logprob=-0.1, no_speech=0.9)], 1.0)
    assert not is_silence([hypothesis("thanks", logprob=-1.5, no_speech=0.1)], 1.0)


def test_possible_silence_waits_for_another_pass() -> None:
    assert may_be_silence(hypothesis("thanks", logprob=-0.8, no_speech=0.35))
    assert not may_be_silence(hypothesis("thanks", logprob=-0.3, no_speech=0.35))
    assert not may_be_silence(hypothesis("thanks", logprob=-0.8, no_speech=0.2))


def test_a_hopeless_hypothesis_needs_less_to_count_as_silence() -> None:
    assert is_silence([hypothesis("thanks", logprob=-1.6, no_speech=0.4)], 1.0)
    assert not is_silence([hypothesis("thanks", logprob=-1.4, no_speech=0.4)], 1.0)
    assert not is_silence([hypothesis("thanks", logprob=-1.6, no_speech=0.1)], 1.0)


def test_words_must_be_certain_where_silence_is_likelier_than_speech() -> None:
    assert is_silence([hypothesis("yeah, wait a minute", logprob=-0.6, no_speech=0.6)], 1.0)
    assert not is_silence([hypothesis("yeah, wait a minute", logprob=-0.4, no_speech=0.6)], 1.0)
    assert not is_silence([hypothesis("two", logprob=-0.9, no_speech=0.45)], 0.3)


def test_words_that_last_as_long_as_the_speech_are_kept_in_noise() -> None:
    in_noise = hypothesis("so this is the corpus", logprob=-0.6, no_speech=0.6)
    assert not is_silence([in_noise], 6.0)
    assert is_silence([in_noise], 10.0)  # half of the speech is not covered
    assert is_silence([in_noise], 2.0)  # too little to tell
    assert is_silence([hypothesis("so this is the corpus", logprob=-1.1, no_speech=0.7)], 6.0)


def test_words_must_cover_the_speech() -> None:
    doubtful, trusted = hypothesis("thank you", logprob=-0.8), hypothesis("thank you")
    assert is_silence([doubtful], 9.0)
    assert not is_silence([doubtful], 4.0)
    assert not is_silence([trusted], 9.0)
    assert not is_silence([hypothesis("you", logprob=-0.8)], 2.9)


def test_one_of_several_uncertain_attempts_may_indicate_silence() -> None:
    silent, drawn = hypothesis("so", logprob=-1.7, no_speech=0.4), hypothesis("oh", logprob=-1.2)
    assert is_silence([silent, drawn], 1.0)
    assert not is_silence([silent, hypothesis("oh")], 1.0)
    assert select_hypothesis([silent, hypothesis("oh")]).text == "oh"


def test_a_word_alone_is_kept_though_the_model_hardly_believes_it() -> None:
    word = hypothesis("one", logprob=-1.7, no_speech=0.55)
    assert not is_silence([word], 0.3)
    assert is_silence([word], 1.5)  # a murmur
    assert is_silence([hypothesis("oh", logprob=-4.2, no_speech=0.5)], 0.3)  # a hen
    assert is_silence([hypothesis("you", logprob=-1.7, no_speech=0.7)], 0.3)
    assert is_silence([hypothesis("thank you", logprob=-0.7, no_speech=0.55)], 0.3)


def test_known_hallucinations_need_a_sign_of_speech() -> None:
    assert is_silence([hypothesis("Thanks for watching!", no_speech=0.2)], 1.0)
    assert is_silence([hypothesis("Thanks for watching!", no_speech=0.0)], 9.0)
    assert not is_silence([hypothesis("Thanks for watching!", no_speech=0.0)], 3.0)
    assert not is_silence([hypothesis("Thanks for watching over us.", no_speech=0.2)], 1.0)
