"""Lost packets are concealed with the audio before them, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.rtc.concealment import conceal_loss


def _tone(seconds: float) -> np.ndarray:
    t = np.arange(round(16_000 * seconds)) / 16_000
    return np.sin(2 * np.pi * 200 * t).astype(np.float32)


def test_a_tone_continues_and_fades_out() -> None:
    tone = _tone(1.0)
    filled = conceal_loss(tone, 16_000, 16_000)
    whole = np.concatenate([tone[-320:], filled])
    assert np.abs(np.diff(whole[: 320 + 160])).max() < 0.09  # no step at the edge
    power = [float(np.mean(filled[at : at + 320] ** 2)) for at in range(0, 1600, 320)]
    assert power[0] == pytest.approx(0.5 * 0.77, abs=0.05)
    assert power == sorted(power, reverse=True)
    assert not filled[1280:].any()


def test_without_audio_before_a_loss_it_is_silence() -> None:
    assert not conceal_loss(np.zeros(0, np.float32), 320, 16_000).any()


@given(st.integers(0, 2000), st.integers(0, 5000), st.sampled_from([16_000, 48_000]))
def test_concealment_is_as_long_as_the_loss_and_never_louder(
    n_before: int, n_lost: int, rate_hz: int
) -> None:
    before = np.random.default_rng(n_before).uniform(-1, 1, n_before).astype(np.float32)
    filled = conceal_loss(before, n_lost, rate_hz)
    assert filled.shape == (n_lost,) and filled.dtype == np.float32
    assert np.abs(filled).max(initial=0) <= np.abs(before).max(initial=0)
