from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.audio.running_gain import RunningGain

FRAME_SAMPLES = 512
FRAME_S = FRAME_SAMPLES / 16_000


def frames(levels_dbfs: list[float]) -> np.ndarray:
    """Return a frame of each level, (n_frames, n_samples)."""
    noise = np.random.default_rng(0).choice([-1.0, 1.0], (len(levels_dbfs), FRAME_SAMPLES))
    return (noise * 10 ** (np.array(levels_dbfs)[:, None] / 20)).astype(np.float32)


def gains_db(levels_dbfs: list[float]) -> list[float]:
    factors = RunningGain(FRAME_S).push(frames(levels_dbfs))
    return (20 * np.log10(factors)).tolist()


def test_a_loud_voice_stays_as_it_is() -> None:
    assert gains_db([-20, -10, 0, -15, -20]) == [0.0] * 5


@pytest.mark.parametrize("down_db", [10, 20, 25])
def test_voices_of_all_levels_come_to_one(down_db: float) -> None:
    room_and_voice = [-50.0] * 10 + [-20, -25, -40, -22] * 10
    loud = np.array(room_and_voice) + gains_db(room_and_voice)
    softer = [level - down_db for level in room_and_voice]
    assert np.array(softer) + gains_db(softer) == pytest.approx(loud, abs=0.01)


@pytest.mark.parametrize("level", [-36, -50, -70])
def test_background_noise_stays_below_its_limit(level: float) -> None:
    amplified = np.full(300, level) + gains_db([level] * 300)
    assert amplified == pytest.approx(-35, abs=0.01)


def test_noise_that_is_louder_than_its_limit_is_not_amplified() -> None:
    assert gains_db([-34.0] * 300) == [0.0] * 300


def test_the_gain_is_bounded_in_silence() -> None:
    factors = RunningGain(FRAME_S).push(np.zeros((9, FRAME_SAMPLES), np.float32))
    assert factors.tolist() == [100.0] * 9
    assert max(gains_db([-90.0] * 300)) == pytest.approx(40.0)


def test_the_gain_returns_some_seconds_after_a_loud_voice() -> None:
    gains = gains_db([-60.0] * 10 + [-20.0] + [-60.0] * 100)
    assert gains[10] == 0
    assert gains[10 + round(2 / FRAME_S)] == pytest.approx(20, abs=0.5)


def test_a_soft_voice_is_amplified_after_a_reset_as_at_the_start() -> None:
    gain, soft = RunningGain(FRAME_S), frames([-55.0, -50, -60])
    at_start = gain.push(soft)
    gain.push(frames([-5.0] * 30))
    gain.reset()
    assert gain.push(soft).tolist() == at_start.tolist()


@given(st.lists(st.floats(-150, 0), min_size=1, max_size=200), st.integers(1, 20))
def test_pushes_of_any_size_get_the_same_gains(levels: list[float], size: int) -> None:
    audio = frames(levels)
    whole = RunningGain(FRAME_S).push(audio)
    gain = RunningGain(FRAME_S)
    pieces = [gain.push(audio[at : at + size]) for at in range(0, len(audio), size)]
    assert np.concatenate(pieces) == pytest.approx(whole, rel=1e-6)
    assert whole.min() >= 1 and whole.max() <= 100
