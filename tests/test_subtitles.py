from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from asr_core.subtitles import MAX_CUE_S, MAX_LINE_CHARACTERS, cues
from asr_core.transcript import Segment, Transcript, Word
from tests.texts import transcript

WORDS = st.lists(
    st.tuples(
        st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20),
        st.sampled_from(["", "", "", ",", "."]),
        st.floats(0.05, 3),
    ),
    min_size=1,
    max_size=40,
)


def spoken(text: str, seconds_per_word: float = 0.4) -> Transcript:
    return transcript([[(word, seconds_per_word) for word in text.split()]])


@given(st.lists(WORDS, max_size=5))
def test_cues_fit_the_screen_and_lose_no_word(lines: list[list[tuple[str, str, float]]]) -> None:
    joined = [[(word + mark, duration) for word, mark, duration in line] for line in lines]
    shown = cues(transcript(joined))
    assert all(len(cue.lines) <= 2 for cue in shown)
    assert all(len(line) <= MAX_LINE_CHARACTERS for cue in shown for line in cue.lines)
    words = [word for cue in shown for line in cue.lines for word in line.split()]
    assert words == [word for line in joined for word, _ in line]
    assert all(before.end <= after.start for before, after in pairwise(shown))
    assert all(cue.end - cue.start <= MAX_CUE_S + 1e-6 for cue in shown)


def test_lines_break_at_a_comma_and_cues_at_a_sentence() -> None:
    text = (
        "It was the best of times, it was the worst of times. It was the age of wisdom, "
        "it was the age of foolishness."
    )
    assert [cue.lines for cue in cues(spoken(text))] == [
        ("It was the best of times,", "it was the worst of times."),
        ("It was the age of wisdom,", "it was the age of foolishness."),
    ]


def test_a_short_cue_stands_until_it_is_read() -> None:
    quick = Segment.of([Word(" Yes.", 1.0, 1.2, 0.9)])
    later = Segment.of([Word(" No.", 1.7, 3.0, 0.9)])
    assert [cue.end for cue in cues(Transcript((quick,), 9))] == [2.0]
    assert [cue.end for cue in cues(Transcript((quick, later), 9))] == [1.7, 3.0]


def test_a_word_longer_than_a_line_is_left_whole() -> None:
    [cue] = cues(spoken("a" * 60))
    assert cue.lines == ("a" * 60,)
