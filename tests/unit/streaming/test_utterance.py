from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr_core.engines.base import Hypothesis
from asr_core.streaming.config import STREAMING_DEFAULTS
from asr_core.streaming.utterance import Utterance
from asr_core.transcript import Word

TEXTS = st.lists(st.sampled_from([" one", " two.", " three", " four?"]), min_size=1, max_size=30)


def hypothesis(texts: list[str]) -> Hypothesis:
    """Return a hypothesis of one word per second and one token per word."""
    words = tuple(Word(text, float(i), i + 0.8, 0.9) for i, text in enumerate(texts))
    tokens = tuple((i,) for i in range(len(texts)))
    return Hypothesis(words, tokens, "en", 1.0, 0.0, -0.1, 1.0)


def heard(texts: list[str], n_known: int) -> Hypothesis:
    """Return the same without the first ``n_known`` words, which were the prefix."""
    whole = hypothesis(texts)
    return replace(whole, words=whole.words[n_known:], word_tokens=whole.word_tokens[n_known:])


@given(TEXTS, st.data())
def test_every_final_word_is_written_once_and_in_order(
    texts: list[str], data: st.DataObject
) -> None:
    """However often the window advances in between."""
    utterance = Utterance(0)
    finished, at = [], 0
    while at < len(texts):
        window_start_s = utterance.window_start / 16_000
        recognised = heard(texts[int(window_start_s) :], len(utterance.prefix))
        new = utterance.new_words(recognised, window_start_s)
        assert [each.word.text for each in new] == texts[at:]
        n_final = data.draw(st.integers(1, len(new)))
        utterance.update(new, n_final, len(texts))
        assert [word.text for word in utterance.tentative] == texts[at + n_final :]
        at += n_final
        n_passed = data.draw(st.integers(0, len(utterance.committed_in_window)))
        start = utterance.window_start + n_passed * 16_000
        finished += utterance.advance(start, n_passed)
        assert len(utterance.prefix) == len(utterance.committed_in_window)
    finished += utterance.close()
    assert [word.text for line in finished for word in line.words] == texts
    times = [word.start for line in finished for word in line.words]
    assert times == sorted(times)


def test_a_segment_stays_open_until_its_sentence_ends() -> None:
    utterance = Utterance(0)
    utterance.update(
        utterance.new_words(hypothesis([" One", " two.", " Three", " four"]), 0.0), 4, 4.0
    )
    [line] = utterance.advance(3 * 16_000, 3)
    assert line.text == "One two."
    assert [word.text for word in utterance.committed] == [" Three", " four"]
    assert utterance.prompt == "One two. Three"


def test_the_prefix_is_the_final_text() -> None:
    utterance = Utterance(16_000)
    assert utterance.prefix == ()
    utterance.update(utterance.new_words(hypothesis([" a", " b", " c"]), 1.0), 2, 4.0)
    assert utterance.prefix == (0, 1)
    utterance.advance(2 * 16_000, 1)
    assert utterance.prefix == (1,)


def test_a_final_word_is_not_shown_a_second_time() -> None:
    """A later pass gives it other times, and another word may follow."""
    utterance = Utterance(0)
    first = hypothesis([" one", " two", " three"])
    utterance.update(utterance.new_words(first, 0.0), 0, 9.0)
    earlier = utterance.new_words(hypothesis([" one", " two", " four"]), -0.1)
    utterance.update(earlier, 2, 9.0)
    assert [word.text for word in utterance.shown] == [" three"]


def test_words_shown_last_become_final_if_the_model_fails() -> None:
    utterance = Utterance(0)
    utterance.update(utterance.new_words(hypothesis([" one", " two"]), 0.0), 1, 9.0)
    utterance.commit_tentative(9.0)
    assert [word.text for word in utterance.committed] == [" one", " two"]
    assert utterance.tentative == utterance.shown == ()


def test_a_segment_does_not_end_after_an_abbreviation() -> None:
    """Whether or not the next word is known when the window advances."""
    texts = [" He", " knew", " Mr.", " Smith."]
    for n_final in (3, 4):
        utterance = Utterance(0)
        utterance.language = "en"
        utterance.update(utterance.new_words(hypothesis(texts), 0.0), n_final, 4.0)
        assert utterance.advance(3 * 16_000, 3) == []
        assert [word.text for word in utterance.committed] == texts[:n_final]


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * 16_000), np.float32)


def test_recent_speech_is_heard_again_before_the_next_utterance() -> None:
    """However long the pause was; its words are known, and their times are their own."""
    before = Utterance(0)
    recognised = hypothesis([" One", " two.", " Three", " four."])
    before.update(before.new_words(recognised, 0.0), 4, 4.0)
    context = before.context(silence(4.0))
    assert context is not None
    assert [each.word.text for each in context.words] == [" Three", " four."]
    seconds = len(context.samples) / 16_000
    assert 2.0 <= seconds <= 2.5

    after = Utterance(60 * 16_000, context)
    assert after.window_start == 60 * 16_000 - len(context.samples)
    assert after.audio_start == 60 * 16_000
    assert after.prefix == (2, 3)
    late = replace(hypothesis([" one"]), words=(Word(" one", seconds - 0.1, seconds + 0.5, 0.9),))
    new = after.new_words(late, after.window_start / 16_000)
    assert [(each.word.start, each.word.end) for each in new] == [(60.0, 60.5)]
    after.update(new, 1, 61.0)
    assert after.prefix == (2, 3, 0)
    assert [line.text for line in after.close()] == ["one"]


def test_the_context_of_a_short_utterance_reaches_into_those_before() -> None:
    context = None
    for i, text in enumerate([" one", " two", " three"]):
        utterance = Utterance(i * 10 * 16_000, context)
        utterance.update(utterance.new_words(hypothesis([text]), i * 10.0), 1, i * 10 + 1.0)
        context = utterance.context(np.concatenate([utterance.context_samples, silence(1.0)]))
    assert context is not None
    assert [each.word.text for each in context.words] == [" one", " two", " three"]
    assert [each.word.start for each in context.words] == [0.0, 1.0, 2.0]


def test_an_utterance_can_be_decoded_again_without_context() -> None:
    before = Utterance(0)
    before.update(before.new_words(hypothesis([" one", " two."]), 0.0), 2, 2.0)
    after = Utterance(3 * 16_000, before.context(silence(2.0)))
    assert after.drop_context()
    assert after.dropped_context
    assert after.window_start == after.audio_start == 3 * 16_000
    assert after.prefix == ()
    assert not after.drop_context()


def test_an_utterance_without_words_leaves_the_context_as_it_was() -> None:
    assert Utterance(0).context(silence(1.0)) is None
    before = Utterance(0)
    before.update(before.new_words(hypothesis([" one"]), 0.0), 1, 1.0)
    context = before.context(silence(1.0))
    assert Utterance(5 * 16_000, context).context(silence(3.0)) is context


@given(TEXTS, st.integers(0, 10))
def test_the_context_is_the_short_end_of_the_previous_text(texts: list[str], silent_s: int) -> None:
    before = Utterance(0)
    before.update(before.new_words(hypothesis(texts), 0.0), len(texts), len(texts))
    context = before.context(silence(len(texts) + silent_s))
    if context is None:
        assert silent_s >= 4
        return
    assert [each.word.text for each in context.words] == texts[-len(context.words) :]
    assert len(context.samples) <= (STREAMING_DEFAULTS.context_s + 0.5) * 16_000
