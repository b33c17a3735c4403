from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr_core.text.line_breaks import split_at_breaks
from asr_core.text.segmentation import rejoin_segments, split_into_segments
from asr_core.transcript import Segment, Word


def words(texts: list[str]) -> list[Word]:
    return [Word(f" {text}", float(i), i + 0.9, 0.9) for i, text in enumerate(texts)]


def test_a_sentence_is_a_line() -> None:
    found = list(split_into_segments(words(["It", "is.", "Is", 'it?"', "Yes"])))
    assert [line.text for line in found] == ["It is.", 'Is it?"', "Yes"]


def test_a_pause_ends_a_line() -> None:
    found = list(split_into_segments([*words(["one", "two"]), Word(" three", 5.0, 5.5, 0.9)]))
    assert [line.text for line in found] == ["one two", "three"]


def test_a_title_is_kept_with_its_name() -> None:
    late = [*words(["It", "is", "Mr."]), Word(" Smith.", 4.5, 5.0, 0.9), Word(" Yes", 9, 10, 0.9)]
    assert [line.text for line in split_into_segments(late, "en")] == ["It is Mr. Smith.", "Yes"]
    too_late = [*words(["It", "is", "Mr."]), Word(" Smith.", 7.5, 8.0, 0.9)]
    assert [line.text for line in split_into_segments(too_late, "en")] == ["It is Mr.", "Smith."]


@given(st.lists(st.sampled_from(["a", "b.", "c,"])))
def test_no_word_is_lost(texts: list[str]) -> None:
    given_words = words(texts)
    assert [word for line in split_into_segments(given_words) for word in line.words] == given_words


def test_a_title_ends_no_line() -> None:
    found = list(
        split_into_segments(
            words(["And", "Mr.", "John", "Dashwood", "had", "leisure.", "He", "left."]), "en"
        )
    )
    assert [line.text for line in found] == ["And Mr. John Dashwood had leisure.", "He left."]


@given(
    st.lists(st.sampled_from(["Mr.", "He", "left.", "at", "5", "p.m.", "No.", "U.S.", "I", "so?"]))
)
def test_later_words_change_no_earlier_line(texts: list[str]) -> None:
    """A line depends only on its own words and the next one, so a live line stays as it is."""
    given_words = words(texts)
    whole = list(split_into_segments(given_words, "en"))
    for n in range(1, len(texts)):
        before = list(split_into_segments(given_words[:n], "en"))
        assert before[:-1] == whole[: len(before) - 1]


def test_a_sentence_cut_by_the_end_of_a_window_is_joined() -> None:
    *first, third, fourth, last = words(["Mr.", "John", "had", "leisure.", "Yes."])
    second = [third, fourth]
    segments = [Segment.from_words(first), Segment.from_words(second), Segment.from_words([last])]
    assert [line.text for line in rejoin_segments(segments, "en")] == [
        "Mr. John had leisure.",
        "Yes.",
    ]
    others = [Segment.from_words(first, None, "Left"), Segment.from_words(second, None, "Right")]
    assert list(rejoin_segments(others, "en")) == others
    late = [word.shifted(3.0) for word in second]
    assert (
        len(list(rejoin_segments([Segment.from_words(first), Segment.from_words(late)], "en"))) == 2
    )
    long = words(["a"] * 19)
    after = [Word(" b", 19.5, 21, 1), Word(" c", 21, 22, 1)]
    assert (
        len(list(rejoin_segments([Segment.from_words(long), Segment.from_words(after)], "en"))) == 2
    )


def test_a_line_that_gets_too_long_ends_at_its_widest_gap() -> None:
    run = words(["word"] * 30)
    run[15:] = [word.shifted(0.05) for word in run[15:]]
    assert [len(line.words) for line in split_into_segments(run)] == [15, 15]


def test_a_line_that_gets_too_long_does_not_end_within_a_word() -> None:
    text = "สวัสดีครับวันนี้อากาศดีมากไปเดินเล่นที่สวนสาธารณะกันเถอะ" * 3
    tokens = [Word(c, i / 4, (i + 1) / 4, 0.9) for i, c in enumerate(text)]
    found = [line.text for line in split_into_segments(tokens, "th")]
    assert "".join(found) == text
    assert len(found) > 1
    ends = {len("".join(split_at_breaks(text, "th")[:n])) for n in range(len(text))}
    assert {len("".join(found[:n])) for n in range(len(found))} <= ends
