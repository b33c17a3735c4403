from __future__ import annotations

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
    ends = tuple(word.end for word in words)
    tokens, probabilities = tuple(range(len(texts))), (0.9,) * len(texts)
    return Hypothesis(words, tokens, ends, probabilities, "en", 1.0, 0.0, -0.1, 1.0)


@given(TEXTS, st.data())
def test_every_final_word_is_written_once_and_in_order(
    texts: list[str], data: st.DataObject
) -> None:
    """However often the window advances in between."""
    utterance = Utterance(0)
    finished, at = [], 0
    while at < len(texts):
        window_start_s = utterance.window_start / 16_000
        recognised = hypothesis(texts[int(window_start_s) :])
        new = utterance.new_words(recognised, window_start_s)
        assert [word.text for word in new] == texts[at:]
        n_final = data.draw(st.integers(1, len(new)))
        utterance.update(new, n_final, len(texts))
        assert [word.text for word in utterance.tentative] == texts[at + n_final :]
        at += n_final
        n_passed = data.draw(st.integers(0, len(utterance.committed_in_window)))
        start = utterance.window_start + n_passed * 16_000
        finished += utterance.advance(start, n_passed)
        assert utterance.draft == ()
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


def test_the_draft_is_the_final_text() -> None:
    utterance = Utterance(16_000)
    recognised = hypothesis([" a", " b", " c"])
    utterance.save_draft(recognised, 1.0)
    assert utterance.draft == ()
    utterance.update(utterance.new_words(recognised, 1.0), 2, 4.0)
    utterance.save_draft(recognised, 1.0)
    assert utterance.draft == (0, 1)


def test_a_final_word_is_not_shown_a_second_time() -> None:
    """A later pass gives it other times, and another word may follow."""
    utterance = Utterance(0)
    first = hypothesis([" one", " two", " three"])
    utterance.update(utterance.new_words(first, 0.0), 0, 9.0)
    earlier = utterance.new_words(hypothesis([" one", " two", " four"]), -0.1)
    utterance.update(earlier, 2, 9.0)
    assert [word.text for word in utterance.shown] == [" three"]


def test_a_segment_does_not_end_after_an_abbreviation() -> None:
    """Whether or not the next word is known when the window advances."""
    texts = [" He", " knew", " Mr.", " Smith."]
    for n_final in (3, 4):
        utterance = Utterance(0)
        utterance.language = "en"
        utterance.update(utterance.new_words(hypothesis(texts), 0.0), n_final, 4.0)
        assert utterance.advance(3 * 16_000, 3) == []
        assert [word.text for word in utterance.committed] == texts[:n_final]


def test_speech_soon_after_a_sentence_is_decoded_with_it() -> None:
    """Its words are written once, and only new ones are checked for hallucination."""
    before = Utterance(0)
    recognised = hypothesis([" One", " two.", " Three", " four."])
    before.update(before.new_words(recognised, 0.0), 4, 4.0)
    before.close()
    context = before.context(4 * 16_000)
    assert context is not None
    assert [word.text for word in context.words] == [" Three", " four."]
    start_s = context.start / 16_000
    assert 1.5 <= start_s <= 2.0
    assert context.reaches(5 * 16_000)
    assert not context.reaches(6 * 16_000)

    after = Utterance(5 * 16_000, context)
    assert after.window_start == context.start
    again = hypothesis([" three", " four.", " one", " two"])
    new = after.new_words(again, 2.0)
    assert [word.text for word in new] == [" one", " two"]
    assert after.without_context(again, 2.0).tokens == (2, 3)
    after.update(new, 2, 6.0)
    after.save_draft(again, 2.0)
    assert after.draft == (0, 1, 2, 3)
    assert [line.text for line in after.close()] == ["one two"]


def test_an_utterance_can_be_decoded_again_without_context() -> None:
    before = Utterance(0)
    before.update(before.new_words(hypothesis([" one", " two."]), 0.0), 2, 2.0)
    after = Utterance(3 * 16_000, before.context(2 * 16_000))
    assert after.drop_context()
    assert after.dropped_context
    assert after.window_start == after.context_end == 3 * 16_000
    assert [word.text for word in after.new_words(hypothesis([" one"]), 3.0)] == [" one"]
    assert not after.drop_context()


def test_an_utterance_without_words_is_not_decoded_again() -> None:
    assert Utterance(0).context(16_000) is None


@given(TEXTS, st.integers(0, 10))
def test_the_context_is_the_short_end_of_the_previous_text(texts: list[str], silent_s: int) -> None:
    before = Utterance(0)
    before.update(before.new_words(hypothesis(texts), 0.0), len(texts), len(texts))
    end = (len(texts) + silent_s) * 16_000
    context = before.context(end)
    if context is None:
        assert silent_s >= 4
        return
    assert [word.text for word in context.words] == texts[-len(context.words) :]
    assert end - context.start <= (STREAMING_DEFAULTS.context_s + 0.5) * 16_000
