from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr_core.lines import lines
from asr_core.transcript import Word


def words(texts: list[str]) -> list[Word]:
    return [Word(f" {text}", float(i), i + 0.9, 0.9) for i, text in enumerate(texts)]


def test_a_sentence_is_a_line() -> None:
    found = list(lines(words(["It", "is.", "Is", 'it?"', "Yes"])))
    assert [line.text for line in found] == ["It is.", 'Is it?"', "Yes"]


def test_a_pause_ends_a_line() -> None:
    found = list(lines([*words(["one", "two"]), Word(" three", 5.0, 5.5, 0.9)]))
    assert [line.text for line in found] == ["one two", "three"]


@given(st.lists(st.sampled_from(["a", "b.", "c,"])))
def test_no_word_is_lost(texts: list[str]) -> None:
    given_words = words(texts)
    assert [word for line in lines(given_words) for word in line.words] == given_words


def test_a_title_ends_no_line() -> None:
    found = list(
        lines(words(["And", "Mr.", "John", "Dashwood", "had", "leisure.", "He", "left."]), "en")
    )
    assert [line.text for line in found] == ["And Mr. John Dashwood had leisure.", "He left."]


@given(
    st.lists(st.sampled_from(["Mr.", "He", "left.", "at", "5", "p.m.", "No.", "U.S.", "I", "so?"]))
)
def test_what_follows_later_changes_no_line(texts: list[str]) -> None:
    """A line depends on its own words and the next one: so a live line, once cut, stays."""
    given_words = words(texts)
    whole = list(lines(given_words, "en"))
    for n in range(1, len(texts)):
        before = list(lines(given_words[:n], "en"))
        assert before[:-1] == whole[: len(before) - 1]
