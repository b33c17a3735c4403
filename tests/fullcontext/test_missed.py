from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr_core.audio.vad import FRAME_SAMPLES
from asr_core.fullcontext.missed import MISSED_S, merged, missed
from asr_core.fullcontext.segment import SpokenWindow
from asr_core.transcript import Word

RATE = 16_000


def spoken(*spans: tuple[float, float], seconds: float = 15.0) -> SpokenWindow:
    """A window that begins at 100 s, with voices in ``spans``."""
    n_frames = round(seconds * RATE / FRAME_SAMPLES)
    at = [i * FRAME_SAMPLES / RATE for i in range(n_frames)]
    voices = bytes(any(a <= t < b for a, b in spans) for t in at)
    return SpokenWindow(100.0, np.zeros(round(seconds * RATE), np.float32), voices)


def words(text: str, start: float, each: float = 0.4) -> list[Word]:
    return [
        Word(f" {w}", start + i * each, start + (i + 1) * each, 0.9)
        for i, w in enumerate(text.split())
    ]


def test_an_utterance_without_words_is_heard_again() -> None:
    window = spoken((0.0, 4.0), (5.0, 9.0))
    [part] = missed(window, words("one two three four five six seven eight nine ten", 0.0))
    assert part.start_s <= 105.0
    assert part.end_s >= 109.0
    assert part.speech_s > 3.5


def test_pauses_and_short_gaps_are_left_alone() -> None:
    window = spoken((0.0, 2.0), (6.0, 8.0))
    assert missed(window, words("one two three four five", 0.0) + words("six seven", 7.0)) == []
    assert missed(window, []) == []


@given(st.lists(st.floats(0, 14.9), max_size=20), st.lists(st.booleans(), min_size=15, max_size=15))
def test_what_is_heard_again_lies_inside_and_is_worth_it(
    starts: list[float], voiced: list[bool]
) -> None:
    window = spoken(*((float(i), i + 1.0) for i, v in enumerate(voiced) if v))
    said = [Word(" x", s, min(s + 0.3, 15.0), 0.9) for s in sorted(starts)]
    for part in missed(window, said):
        assert 100.0 <= part.start_s < part.end_s <= 115.001
        assert part.speech_s >= MISSED_S - 0.1


def test_what_was_found_goes_into_its_place() -> None:
    before, after = words("ever tried", 0.0), words("try again", 6.0)
    found = words("ever failed no matter", 2.0)
    whole = merged([*before, *after], found)
    assert [w.text for w in whole] == [w.text for w in [*before, *found, *after]]
    assert [w.start for w in whole] == sorted(w.start for w in whole)


@given(st.floats(0, 5), st.floats(0.1, 0.6), st.floats(0.1, 0.6))
def test_times_stay_in_order(start: float, each: float, other: float) -> None:
    text = words("a b c", 0.0, other) + words("d e f", 3.0 + other, other)
    whole = merged(text, words("one two three four", start, each))
    times = [t for word in whole for t in (word.start, word.end)]
    assert all(a <= b + 1e-9 for a, b in pairwise(times[::2]))
    assert len(whole) == 10


def test_what_stands_crammed_beside_the_gap_is_not_written_twice() -> None:
    text = [*words("ever tried", 0.0), *words("ever failed", 0.8, each=0.1)]
    assert merged(text, words("ever failed", 1.7)) == tuple(text)
    assert merged(text, []) == tuple(text)


def test_what_was_said_again_after_it_is_written_again() -> None:
    text = words("ever tried ever failed", 0.0)
    again = words("ever tried ever failed", 2.0)
    assert merged(text, again) == (*text, *again)
    assert merged(again, text) == (*text, *again)
