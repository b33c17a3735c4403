from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr_core.engines.base import Hypothesis
from asr_core.live.utterance import CONTEXT_S, Utterance
from asr_core.transcript import Word

TEXTS = st.lists(st.sampled_from([" one", " two.", " three", " four?"]), min_size=1, max_size=30)


def hypothesis(texts: list[str]) -> Hypothesis:
    """A word a second, a token a word."""
    words = tuple(Word(text, float(i), i + 0.8, 0.9) for i, text in enumerate(texts))
    ends = tuple(word.end for word in words)
    tokens, probabilities = tuple(range(len(texts))), (0.9,) * len(texts)
    return Hypothesis(words, tokens, ends, probabilities, "en", 1.0, 0.0, -0.1, 1.0)


@given(TEXTS, st.data())
def test_every_final_word_comes_out_once_and_in_order(
    texts: list[str], data: st.DataObject
) -> None:
    """However often the window moves on in between."""
    utterance = Utterance(0)
    finished, at = [], 0
    while at < len(texts):
        window_start_s = utterance.window_start / 16_000
        heard = hypothesis(texts[int(window_start_s) :])
        new = utterance.new_words(heard, window_start_s)
        assert [word.text for word in new] == texts[at:]
        n_final = data.draw(st.integers(1, len(new)))
        utterance.take(new, n_final, len(texts))
        assert [word.text for word in utterance.tentative] == texts[at + n_final :]
        at += n_final
        n_passed = data.draw(st.integers(0, len(utterance.committed_in_window)))
        start = utterance.window_start + n_passed * 16_000
        finished += utterance.move_on(start, n_passed)
        assert utterance.draft == ()
    finished += utterance.close()
    assert [word.text for line in finished for word in line.words] == texts
    times = [word.start for line in finished for word in line.words]
    assert times == sorted(times)


def test_a_line_is_kept_until_its_sentence_ends() -> None:
    utterance = Utterance(0)
    utterance.take(
        utterance.new_words(hypothesis([" One", " two.", " Three", " four"]), 0.0), 4, 4.0
    )
    [line] = utterance.move_on(3 * 16_000, 3)
    assert line.text == "One two."
    assert [word.text for word in utterance.committed] == [" Three", " four"]
    assert utterance.prompt == "One two. Three"


def test_the_draft_is_what_is_final() -> None:
    utterance = Utterance(16_000)
    heard = hypothesis([" a", " b", " c"])
    utterance.draw_up(heard, 1.0)
    assert utterance.draft == ()
    utterance.take(utterance.new_words(heard, 1.0), 2, 4.0)
    utterance.draw_up(heard, 1.0)
    assert utterance.draft == (0, 1)


def test_a_final_word_is_not_shown_a_second_time() -> None:
    """Another look gives it other times, and what follows may be another word."""
    utterance = Utterance(0)
    first = hypothesis([" one", " two", " three"])
    utterance.take(utterance.new_words(first, 0.0), 0, 9.0)
    earlier = utterance.new_words(hypothesis([" one", " two", " four"]), -0.1)
    utterance.take(earlier, 2, 9.0)
    assert [word.text for word in utterance.shown] == [" three"]


def test_a_line_is_not_cut_after_an_abbreviation() -> None:
    """Whether or not the next word is known when the window moves on."""
    texts = [" He", " knew", " Mr.", " Smith."]
    for n_final in (3, 4):
        utterance = Utterance(0)
        utterance.language = "en"
        utterance.take(utterance.new_words(hypothesis(texts), 0.0), n_final, 4.0)
        assert utterance.move_on(3 * 16_000, 3) == []
        assert [word.text for word in utterance.committed] == texts[:n_final]


def test_what_soon_follows_is_heard_with_the_last_sentence() -> None:
    """Its words come once, and gates judge what is new."""
    before = Utterance(0)
    heard = hypothesis([" One", " two.", " Three", " four."])
    before.take(before.new_words(heard, 0.0), 4, 4.0)
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
    assert after.own(again, 2.0).tokens == (2, 3)
    after.take(new, 2, 6.0)
    after.draw_up(again, 2.0)
    assert after.draft == (0, 1, 2, 3)
    assert [line.text for line in after.close()] == ["one two"]


def test_an_utterance_can_be_heard_alone_again() -> None:
    before = Utterance(0)
    before.take(before.new_words(hypothesis([" one", " two."]), 0.0), 2, 2.0)
    after = Utterance(3 * 16_000, before.context(2 * 16_000))
    assert after.forget_context()
    assert after.passed_over
    assert after.window_start == after.own_start == 3 * 16_000
    assert [word.text for word in after.new_words(hypothesis([" one"]), 3.0)] == [" one"]
    assert not after.forget_context()


def test_nothing_is_heard_again_of_an_utterance_without_words() -> None:
    assert Utterance(0).context(16_000) is None


@given(TEXTS, st.integers(0, 10))
def test_a_context_is_the_end_of_what_was_said_and_short(texts: list[str], silent_s: int) -> None:
    before = Utterance(0)
    before.take(before.new_words(hypothesis(texts), 0.0), len(texts), len(texts))
    end = (len(texts) + silent_s) * 16_000
    context = before.context(end)
    if context is None:
        assert silent_s >= 4
        return
    assert [word.text for word in context.words] == texts[-len(context.words) :]
    assert end - context.start <= (CONTEXT_S + 0.5) * 16_000
