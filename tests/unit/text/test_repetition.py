from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr_core.text.repetition import (
    collapse_loop,
    has_instant_repeat,
    instant_repeats,
    is_runaway,
    is_too_fast,
    loop_length,
    spurious_repeats,
    without_unspoken_tail,
)
from asr_core.transcript import Word


def timed(*words: tuple[str, float, float]) -> list[Word]:
    return [Word(f" {text}", start, end, 0.9) for text, start, end in words]


@given(st.lists(st.integers(0, 3), max_size=8), st.integers(3, 6), st.integers(1, 4))
def test_a_loop_at_the_end_is_cut_to_one_repetition(
    start: list[int], n_repetitions: int, length: int
) -> None:
    phrase = list(range(10, 10 + length))
    assert collapse_loop(start + phrase * n_repetitions)[-length:] == phrase
    assert len(collapse_loop(start + phrase * n_repetitions)) <= len(start) + length


@given(st.lists(st.integers(), unique=True))
def test_text_without_repetition_is_left_alone(items: list[int]) -> None:
    assert loop_length(items) == 0
    assert loop_length(items + items) == 0


@given(
    st.lists(st.integers(0, 99).map(str), max_size=6),
    st.lists(st.integers(100, 999).map(str), min_size=3, max_size=8, unique=True),
    st.integers(2, 4),
    st.data(),
)
def test_a_phrase_repeated_in_no_time_was_spoken_once(
    before: list[str], phrase: list[str], n_repetitions: int, data: st.DataObject
) -> None:
    """Wherever in the repetitions the alignment found no time."""
    texts = before + phrase * n_repetitions
    n_unspoken = (n_repetitions - 1) * len(phrase)
    begin = len(before) + data.draw(st.integers(0, len(phrase)))
    unspoken = range(begin, begin + n_unspoken)
    gone = spurious_repeats(texts, [0.02 if i in unspoken else 0.3 for i in range(len(texts))])
    assert gone == list(unspoken)
    assert [text for i, text in enumerate(texts) if i not in gone] == before + phrase


@given(
    st.lists(st.integers(0, 1).map(str), max_size=12),
    st.sampled_from([0.1, 0.3, 0.5]),
)
def test_a_spoken_repetition_is_kept(texts: list[str], each_s: float) -> None:
    assert spurious_repeats(texts, [each_s] * len(texts)) == []


@given(
    st.lists(st.integers(0, 99).map(str), max_size=6),
    st.lists(st.integers(100, 999).map(str), min_size=3, max_size=8, unique=True),
    st.lists(st.integers(1000, 9999).map(str), max_size=6, unique=True),
    st.integers(3, 5),
    st.data(),
)
def test_one_repetition_too_many_is_removed_where_it_has_no_time(
    before: list[str], phrase: list[str], after: list[str], n_repetitions: int, data: st.DataObject
) -> None:
    texts = before + phrase * n_repetitions + after
    begin = len(before) + data.draw(st.integers(0, len(phrase) * (n_repetitions - 1)))
    unspoken = range(begin, begin + len(phrase))
    gone = spurious_repeats(texts, [0.0 if i in unspoken else 0.3 for i in range(len(texts))])
    left = [text for i, text in enumerate(texts) if i not in gone]
    assert left == before + phrase * (n_repetitions - 1) + after


def test_false_starts_and_fast_repetitions_are_kept() -> None:
    begun = ["it", "was", "the", "age", "of", "wisdom", "it", "was", "the"]
    assert spurious_repeats(begun, [0.3] * 6 + [0.02] * 3) == []
    assert spurious_repeats(["no", "no", "no"], [0.3, 0.02, 0.02]) == []


def test_a_loop_after_the_end_of_the_audio_was_not_spoken() -> None:
    spoken = ["it", "was", "the", "age", "of", "wisdom", "it", "was"]
    loop = ["the", "age", "of", "the", "age", "of", "wisdom", "it", "was", "the", "age", "of"]
    seconds = [0.2] * len(spoken) + [0.0] * len(loop)
    assert spurious_repeats([*spoken, *loop], seconds) == list(
        range(len(spoken), len(spoken) + len(loop))
    )
    assert spurious_repeats(["so", "it", "is", "new", "words", "here"], [0.3] * 3 + [0.0] * 3) == []


def spoken(text: str, each_s: float) -> list[Word]:
    words = text.split()
    return [Word(f" {w}", i * each_s, (i + 1) * each_s, 0.9) for i, w in enumerate(words)]


def test_digits_take_as_long_to_say_as_the_words_for_them() -> None:
    for text in ("3 7 3 5 3", "three seven three five three"):
        assert is_too_fast(spoken(text, 0.1))
        assert not is_too_fast(spoken(text, 0.25))


def test_known_words_again_in_no_time_are_a_repeat() -> None:
    known = ["it", "was", "the", "age", "of"]
    assert has_instant_repeat(spoken("it was the age of", 0.05), known)
    assert not has_instant_repeat(spoken("it was the age of", 0.3), known)
    assert not has_instant_repeat(spoken("it was the epoch of", 0.05), known)
    assert not has_instant_repeat([], [*known, *known])


@given(st.lists(st.integers(0, 3), max_size=20), st.integers(1, 2))
def test_only_a_short_phrase_said_over_and_over_is_a_runaway(before: list[int], n: int) -> None:
    phrase = list(range(10, 10 + n))
    assert is_runaway(before + phrase * 32)
    assert not is_runaway(before + phrase * 10)
    assert not is_runaway([*before, *range(100)])


def test_a_passage_in_the_middle_is_not_written_twice_in_no_time() -> None:
    spoken = timed(*((str(n), n * 0.6, n * 0.6 + 0.6) for n in range(6)))
    again = timed(("1", 3.6, 3.6), ("2", 3.6, 3.6), ("3", 3.6, 3.6))
    after = timed(("8", 3.6, 4.2), ("9", 4.2, 4.8))
    assert has_instant_repeat([*spoken, *again, *after])
    assert instant_repeats([*spoken, *again, *after]) == {6, 7, 8}
    assert instant_repeats([*again, *spoken, *after]) == {0, 1, 2}


@given(st.lists(st.sampled_from("abc"), max_size=20))
def test_words_that_had_their_time_stay(texts: list[str]) -> None:
    words = timed(*((text, i * 0.3, i * 0.3 + 0.3) for i, text in enumerate(texts)))
    assert instant_repeats(words) == set()


def test_digits_written_again_after_the_last_one_were_not_spoken() -> None:
    spoken = timed(("2", 0.5, 1.1), ("5", 3.1, 3.7), ("2", 5.6, 6.2))
    again = timed(("5", 6.2, 6.2), ("2", 6.2, 6.5))
    assert without_unspoken_tail([*spoken, *again], 6.27, 3) == tuple(spoken)
    other = timed(("7", 6.2, 6.2), ("2", 6.2, 6.5))
    assert without_unspoken_tail([*spoken, *other], 6.27, 3) == (*spoken, *other)


def test_last_digits_in_no_time_that_repeat_nothing_beside_them_are_kept() -> None:
    number = timed(("6", 0.0, 0.5), ("6", 0.5, 1.0), ("2", 1.0, 2.4), ("6", 2.4, 2.4))
    assert without_unspoken_tail(number, 2.4, 1) == tuple(number)
    longer = [*number, *timed(("6", 2.4, 2.5))]
    assert without_unspoken_tail(longer, 2.4, 1) == tuple(longer)


def test_a_last_word_spoken_twice_is_kept_where_there_is_speech_for_it() -> None:
    twice = timed(("two", 0.0, 0.6), ("three", 1.2, 1.8), ("three", 3.0, 3.0))
    assert without_unspoken_tail(twice, 3.0, 3) == tuple(twice)
    assert without_unspoken_tail(twice, 3.0, 2) == tuple(twice[:2])
    assert without_unspoken_tail(twice, 4.0, 2) == tuple(twice)


def test_words_written_again_long_after_the_speech_were_not_spoken() -> None:
    """Whatever time the alignment gives them; a new word there is kept, and so is a spoken one."""
    sixes = timed(("8", 0.5, 1.0), ("6", 2.0, 2.5), ("6", 3.5, 4.0))
    again = timed(("6", 4.2, 4.7), ("6", 4.7, 5.2), ("6", 5.2, 5.2))
    assert without_unspoken_tail([*sixes, *again], 4.0, 3) == tuple(sixes)
    assert without_unspoken_tail([*sixes, *again], 4.0, 5) == (*sixes, *again[:2])
    new = timed(("7", 4.2, 4.7))
    assert without_unspoken_tail([*sixes, *new], 4.0, 3) == (*sixes, *new)
