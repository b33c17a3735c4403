from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.audio.vad import FRAME_SAMPLES
from asr_core.full_context.chunks import SpeechChunk
from asr_core.full_context.config import FULL_CONTEXT_DEFAULTS
from asr_core.full_context.skipped_speech import (
    SkippedSpeech,
    find_skipped_speech,
    insert_words,
)
from asr_core.transcript import Word

RATE = 16_000


def spoken(*spans: tuple[float, float], seconds: float = 15.0) -> SpeechChunk:
    """Return a window that starts at 100 s, with speech in ``spans``."""
    n_frames = round(seconds * RATE / FRAME_SAMPLES)
    at = [i * FRAME_SAMPLES / RATE for i in range(n_frames)]
    voices = bytes(any(a <= t < b for a, b in spans) for t in at)
    return SpeechChunk(100.0, np.zeros(round(seconds * RATE), np.float32), voices)


def words(text: str, start: float, each: float = 0.4) -> list[Word]:
    return [
        Word(f" {w}", start + i * each, start + (i + 1) * each, 0.9)
        for i, w in enumerate(text.split())
    ]


def test_speech_without_words_is_transcribed_again() -> None:
    window = spoken((0.0, 4.0), (5.0, 9.0))
    [part] = find_skipped_speech(
        window, words("one two three four five six seven eight nine ten", 0.0)
    )
    assert part.start_s <= 105.0
    assert part.end_s >= 109.0
    assert part.speech_s > 3.5


def test_pauses_and_short_gaps_are_left_alone() -> None:
    window = spoken((0.0, 2.0), (6.0, 8.0))
    assert (
        find_skipped_speech(window, words("one two three four five", 0.0) + words("six seven", 7.0))
        == []
    )


def test_a_window_without_words_is_searched_on_either_side_of_its_longest_pause() -> None:
    window = spoken((0.0, 2.0), (2.5, 4.5), (7.0, 12.0))
    search = SkippedSpeech(window)
    first, second = search.next_parts([])
    assert (first.start_s, second.end_s) == pytest.approx((100.0, 115.0), abs=0.1)
    assert 104.5 < first.end_s == second.start_s < 107.0


def test_the_search_ends_where_nothing_is_found() -> None:
    search = SkippedSpeech(spoken((0.0, 3.0), (4.0, 6.0), (7.0, 9.0), (10.0, 14.0)))
    tried = []
    while parts := search.next_parts([]):
        tried += [(part.start_s, part.end_s) for part in parts]
    assert len(tried) == len(set(tried)) == 6


def test_what_follows_the_words_that_were_found_is_searched_again() -> None:
    """The decoder ends after the first voice, and once more after the second."""
    search = SkippedSpeech(spoken((0.0, 4.0), (4.5, 8.0), (8.5, 14.0)))
    found = words("ten words of the first voice that is there now", 100.0)
    [rest] = search.next_parts(found)
    assert rest.start_s < 104.5
    assert rest.end_s == 115.0
    found += words("nine words of the second voice are there now", 104.5)
    [last] = search.next_parts(found)
    assert 107.5 < last.start_s < 108.5


@given(st.lists(st.floats(0, 14.9), max_size=20), st.lists(st.booleans(), min_size=15, max_size=15))
def test_ranges_transcribed_again_lie_inside_and_are_long_enough(
    starts: list[float], voiced: list[bool]
) -> None:
    window = spoken(*((float(i), i + 1.0) for i, v in enumerate(voiced) if v))
    recognised = [Word(" x", s, min(s + 0.3, 15.0), 0.9) for s in sorted(starts)]
    for part in find_skipped_speech(window, recognised):
        assert 100.0 <= part.start_s < part.end_s <= 115.001
        assert part.speech_s >= FULL_CONTEXT_DEFAULTS.min_skipped_s - 0.1


def test_recovered_words_go_into_their_place() -> None:
    before, after = words("ever tried", 0.0), words("try again", 6.0)
    found = words("ever failed no matter", 2.0)
    whole = insert_words([*before, *after], found)
    assert [w.text for w in whole] == [w.text for w in [*before, *found, *after]]
    assert [w.start for w in whole] == sorted(w.start for w in whole)


def test_recovered_words_that_begin_beside_a_short_word_keep_their_time() -> None:
    """A part that is transcribed again has the end of the word before it."""
    before = [*words("it was", 0.0), Word(" a", 0.8, 0.9, 0.9)]
    after = words("try again", 6.0)
    found = words("ever failed no matter", 0.7, each=1.0)
    whole = insert_words([*before, *after], found)
    assert [w.text for w in whole] == [w.text for w in [*before, *found, *after]]
    assert [(w.start, w.end) for w in whole[3:7]] == [
        (0.9, 1.7),
        (1.7, 2.7),
        (2.7, 3.7),
        (3.7, 4.7),
    ]


@given(st.floats(0, 5), st.floats(0.1, 0.6), st.floats(0.1, 0.6))
def test_times_stay_in_order(start: float, each: float, other: float) -> None:
    text = words("a b c", 0.0, other) + words("d e f", 3.0 + other, other)
    whole = insert_words(text, words("one two three four", start, each))
    times = [t for word in whole for t in (word.start, word.end)]
    assert all(a <= b + 1e-9 for a, b in pairwise(times[::2]))
    assert len(whole) == 10


def test_words_crammed_beside_the_gap_are_not_written_twice() -> None:
    text = [*words("ever tried", 0.0), *words("ever failed", 0.8, each=0.1)]
    assert insert_words(text, words("ever failed", 1.7)) == tuple(text)
    assert insert_words(text, []) == tuple(text)


def test_words_repeated_after_the_gap_are_written_again() -> None:
    text = words("ever tried ever failed", 0.0)
    again = words("ever tried ever failed", 2.0)
    assert insert_words(text, again) == (*text, *again)
    assert insert_words(again, text) == (*text, *again)
