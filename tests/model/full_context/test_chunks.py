from __future__ import annotations

import numpy as np
import pytest

from asr_core.full_context.chunks import speech_chunks
from asr_core.full_context.config import FULL_CONTEXT_DEFAULTS


def windows(audio: np.ndarray, piece: int) -> list[tuple[int, int]]:
    pieces = [audio[at : at + piece] for at in range(0, len(audio), piece)]
    found = speech_chunks(pieces)
    return [(round(w.start_s * 16_000), len(w.samples)) for w in found]


@pytest.mark.parametrize("piece", [3_000, 160_000, 10**9])
def test_windows_contain_the_speech_in_order(two_cities: np.ndarray, piece: int) -> None:
    found = windows(two_cities, piece)
    assert all(n <= FULL_CONTEXT_DEFAULTS.max_chunk_s * 16_000 for _, n in found)
    ends = [start + n for start, n in found]
    assert all(end <= start for end, (start, _) in zip(ends, found[1:], strict=False))
    assert found[0][0] < 16_000
    assert ends[-1] > 40 * 16_000
    assert sum(n for _, n in found) > 0.8 * len(two_cities)


def test_speech_without_a_pause_is_cut(two_cities: np.ndarray) -> None:
    endless = np.tile(two_cities[3 * 16_000 : 6 * 16_000], 30)
    found = windows(endless, 160_000)
    assert all(n <= FULL_CONTEXT_DEFAULTS.max_chunk_s * 16_000 for _, n in found)
    assert sum(n for _, n in found) > 0.95 * len(endless)


def test_long_silence_is_left_out(beckett: np.ndarray) -> None:
    gap = np.zeros(60 * 16_000, np.float32)
    found = windows(np.concatenate([beckett, gap, beckett]), 160_000)
    assert len(found) == 2
    assert sum(n for _, n in found) < 2.2 * len(beckett)
    assert windows(gap, 160_000) == []


def test_the_first_word_of_a_recording_is_transcribed(two_cities: np.ndarray) -> None:
    """The recording starts in the middle of speech, and continues after a pause."""
    gap = np.zeros(5 * 16_000, np.float32)
    found = windows(
        np.concatenate([two_cities[32_000:80_000], gap, two_cities[32_000:80_000]]), 160_000
    )
    assert found[0][0] == 0
    assert found[0][1] > 40_000
