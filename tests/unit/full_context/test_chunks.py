from __future__ import annotations

import numpy as np
import pytest

from asr_core.audio.vad import FRAME_SAMPLES
from asr_core.full_context.chunks import SpeechChunk


def chunk(*frames: tuple[int, int]) -> SpeechChunk:
    """Return a silent chunk whose mask has these runs: (1 for speech or 0, number of frames)."""
    mask = b"".join(bytes([is_speech]) * n for is_speech, n in frames)
    return SpeechChunk(0.0, np.zeros(len(mask) * FRAME_SAMPLES, np.float32), mask)


def test_a_recording_of_one_word_is_cut_close() -> None:
    assert chunk((0, 2), (1, 9), (0, 1)).is_cut_close
    assert not chunk((0, 8), (1, 9), (0, 8)).is_cut_close  # a burst out of a longer recording
    assert not chunk((1, 100)).is_cut_close
    assert not chunk((0, 20)).is_cut_close


def test_bursts_are_counted_between_pauses() -> None:
    dictated = chunk((0, 8), (1, 9), (0, 30), (1, 5), (0, 3), (1, 5), (0, 8))
    assert dictated.n_bursts == 2  # a stop within a word is no pause
    assert dictated.speech_end_s == pytest.approx(60 * FRAME_SAMPLES / 16_000)
    assert chunk((0, 20)).n_bursts == 0
