from __future__ import annotations

import numpy as np
import pytest

from asr_core.audio.vad import FRAME_SAMPLES
from asr_core.full_context.chunks import SpeechChunk
from asr_core.full_context.pauses import shorten_pauses
from asr_core.transcript import Word

FRAME_S = FRAME_SAMPLES / 16_000


def chunk(*frames: tuple[int, int]) -> SpeechChunk:
    """Return a chunk of runs: (1 for speech or 0, number of frames); samples count up."""
    mask = b"".join(bytes([is_speech]) * n for is_speech, n in frames)
    return SpeechChunk(50.0, np.arange(len(mask) * FRAME_SAMPLES, dtype=np.float32), mask)


def test_a_long_pause_keeps_its_ends() -> None:
    long = chunk((1, 30), (0, 100), (1, 30))
    audio = shorten_pauses(long, 1.0)
    assert len(audio.samples) / 16_000 == pytest.approx(60 * FRAME_S + 1.0)
    (at_s, length_s), n_half = audio.cuts[0], 8_000
    assert (at_s, length_s) == pytest.approx((30 * FRAME_S + 0.5, 100 * FRAME_S - 1.0))
    speech_end = 30 * FRAME_SAMPLES
    assert np.array_equal(audio.samples[: speech_end + n_half], long.samples[: speech_end + n_half])
    assert audio.samples[-1] == long.samples[-1]


def test_short_pauses_and_the_ends_of_a_chunk_are_left_alone() -> None:
    short = chunk((0, 40), (1, 30), (0, 20), (1, 5))
    audio = shorten_pauses(short, 1.0)
    assert audio.cuts == ()
    assert np.array_equal(audio.samples, short.samples)


def test_words_get_their_times_back() -> None:
    audio = shorten_pauses(chunk((1, 30), (0, 100), (1, 30), (0, 90), (1, 10)), 1.0)
    (first_s, first_cut_s), (second_s, second_cut_s) = audio.cuts
    before = Word(" one", 0.1, 0.7, 0.9)
    assert audio.original(before) == before
    between = audio.original(Word(" two", first_s, first_s + 0.6, 0.9))
    assert between.start == pytest.approx(first_s + first_cut_s)
    assert between.end - between.start == pytest.approx(0.6)
    after = audio.original(Word(" three", second_s + 0.5, second_s + 0.8, 0.9))
    assert after.start == pytest.approx(second_s + 0.5 + first_cut_s + second_cut_s)


def test_a_word_does_not_grow_by_a_pause() -> None:
    audio = shorten_pauses(chunk((1, 30), (0, 100), (1, 30)), 1.0)
    at_s = audio.cuts[0][0]
    word = audio.original(Word(" two", at_s - 0.3, at_s + 0.3, 0.9))
    assert (word.start, word.end) == pytest.approx((at_s - 0.3, at_s + 0.3))
