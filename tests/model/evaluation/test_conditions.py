"""Conditions do what they name, and the same for the same seed."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from asr_core.errors import ConditionError
from asr_core.evaluation.conditions import (
    CLEAN,
    CONDITION_TYPES,
    Condition,
    ConditionAssets,
    apply_condition,
)
from asr_core.evaluation.distortions import add_noise, babble, pink_noise, white_noise

Samples = NDArray[np.float32]

ONE_EACH = [
    Condition(name, kind.usual[-1] if kind.usual else 0.0, "own" if name == "noise" else "")
    for name, kind in CONDITION_TYPES.items()
]


@pytest.fixture
def around(two_cities: Samples) -> ConditionAssets:
    thirds = np.array_split(two_cities, 3)
    return ConditionAssets(thirds, {"own": white_noise(8000, np.random.default_rng(3))})


@pytest.mark.parametrize("condition", ONE_EACH, ids=str)
def test_the_same_seed_makes_the_same_audio(
    condition: Condition, beckett: Samples, around: ConditionAssets
) -> None:
    first = apply_condition(beckett, condition, "7/a", around)
    assert np.array_equal(first, apply_condition(beckett.copy(), condition, "7/a", around))
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    if condition.kind in ("white", "pink", "babble", "room", "loss"):
        assert not np.array_equal(first, apply_condition(beckett, condition, "8/a", around))


def test_another_process_makes_the_same_audio(beckett: Samples) -> None:
    """Nothing depends on a library's global state."""
    script = """
import hashlib, sys, numpy as np
from asr_core.evaluation.conditions import Condition, apply_condition
samples = np.frombuffer(sys.stdin.buffer.read(), np.float32)
for text in sys.argv[1:]:
    print(hashlib.sha256(apply_condition(samples, Condition.parse(text), "1/x").tobytes()).hexdigest())
"""
    texts = ["pitch:-3", "speed:1.2", "room:0.6", "pink:5", "loss:10", "amr:4.75"]
    printed = subprocess.run(
        [sys.executable, "-c", script, *texts],
        input=beckett.tobytes(), capture_output=True, check=True,
    ).stdout.decode().split()  # fmt: skip
    here = [apply_condition(beckett, Condition.parse(text), "1/x").tobytes() for text in texts]
    assert printed == [hashlib.sha256(audio).hexdigest() for audio in here]


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 30.0])
@pytest.mark.parametrize("kind", ["white", "pink", "babble", "noise"])
def test_noise_has_the_requested_level(
    kind: str, snr_db: float, beckett: Samples, around: ConditionAssets
) -> None:
    condition = Condition(kind, snr_db, "own" if kind == "noise" else "")
    noise = apply_condition(beckett, condition, "1", around).astype(np.float64) - beckett
    measured = 10 * np.log10(np.sum(beckett.astype(np.float64) ** 2) / np.sum(noise**2))
    assert measured == pytest.approx(snr_db, abs=0.5)


def test_pink_noise_has_equal_power_in_each_octave() -> None:
    power = np.abs(np.fft.rfft(pink_noise(160_000, np.random.default_rng(0)))) ** 2
    octaves = [power[n : 2 * n].sum() for n in (1000, 2000, 4000, 8000, 16_000)]
    assert max(octaves) / min(octaves) < 1.3


def _pitch_hz(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * 16_000 / len(samples)


def test_pitch_and_speed_change_only_what_they_name() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000).astype(np.float32)
    higher = apply_condition(tone, Condition("pitch", 12), "1")
    assert len(higher) == len(tone)
    assert _pitch_hz(higher) == pytest.approx(880, rel=0.02)
    faster = apply_condition(tone, Condition("speed", 2), "1")
    assert len(faster) == len(tone) // 2
    assert _pitch_hz(faster) == pytest.approx(440, rel=0.02)


def test_a_telephone_passes_its_band_only() -> None:
    rng = np.random.default_rng(0)
    out = apply_condition(0.1 * white_noise(160_000, rng), Condition("telephone"), "1")
    power = np.abs(np.fft.rfft(out)) ** 2  # 0.1 Hz a bin
    inside, above = power[5_000:30_000].mean(), power[45_000:].mean()
    assert inside > 100 * above


def test_packet_loss_drops_its_share_of_packets() -> None:
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(160_000) / 16_000).astype(np.float32)
    whole, out = (apply_condition(tone, Condition("loss", percent), "1") for percent in (0, 20))
    quarters = np.abs(out - whole).reshape(-1, 80).max(axis=1)  # of a packet, 5 ms
    assert np.mean(quarters > 0.01) == pytest.approx(0.2, abs=0.08)


def test_a_room_has_the_requested_reverberation_time() -> None:
    click = np.zeros(32_000, np.float32)
    click[0] = 1
    tail = apply_condition(click, Condition("room", 0.6), "1").astype(np.float64)
    left = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] / np.sum(tail**2))
    # Schroeder's integral from -5 to -25 dB, three times as long: T20.
    begin, end = np.argmax(left < -5), np.argmax(left < -25)
    assert 3 * (end - begin) / 16_000 == pytest.approx(0.6, rel=0.35)


@given(st.sampled_from(ONE_EACH))
def test_a_written_condition_is_read_back(condition: Condition) -> None:
    assert Condition.parse(str(condition)) == condition


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hum:3",
        "white",
        "white:loud",
        "white:nan",
        "pitch:40",
        "telephone:3",
        "amr:5",
        "noise:5",
    ],
)
def test_an_invalid_condition_is_reported(text: str) -> None:
    with pytest.raises(ConditionError):
        Condition.parse(text)


def test_a_missing_asset_of_a_condition_is_reported(beckett: Samples) -> None:
    with pytest.raises(ConditionError, match="second one"):
        apply_condition(beckett, Condition("babble", 5), "1")
    with pytest.raises(ConditionError, match="no noise called"):
        apply_condition(beckett, Condition("noise", 5, "street"), "1")
    with pytest.raises(ValueError, match="voices"):
        babble([], 100, np.random.default_rng(0))


def test_clean_changes_nothing_and_silence_stays_finite() -> None:
    silence = np.zeros(16_000, np.float32)
    assert apply_condition(silence, CLEAN, "1") is silence
    assert np.isfinite(add_noise(silence, white_noise(100, np.random.default_rng(0)), 5)).all()
