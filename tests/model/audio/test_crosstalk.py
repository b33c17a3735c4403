from __future__ import annotations

import numpy as np
import pytest

from asr_core.audio.crosstalk import BLOCK, CrosstalkGate

Samples = np.ndarray


@pytest.fixture(scope="module")
def voices(two_cities: Samples, beckett: Samples) -> tuple[Samples, Samples]:
    """Two alternating speakers who overlap for a second, (n_samples,) each."""
    one, other = two_cities[: 16_000 * 10], beckett * (two_cities.std() / beckett.std())
    left, right = np.zeros((2, 16_000 * 30), np.float32)
    left[: len(one)] = one
    right[16_000 * 9 : 16_000 * 9 + len(other)] = other
    left[16_000 * 19 : 16_000 * 29] = two_cities[16_000 * 10 : 16_000 * 20]
    return left, right


def gated(channels: list[Samples], n: int = 160_000) -> tuple[Samples, CrosstalkGate]:
    data = np.array(channels, np.float32)
    data += np.random.default_rng(0).normal(0, 2e-4, data.shape).astype(np.float32)
    gate = CrosstalkGate(len(data))
    parts = [gate.push(data[:, at : at + n]) for at in range(0, data.shape[1], n)]
    return np.concatenate([*parts, gate.flush()], axis=1), gate


def through_a_room(samples: Samples) -> Samples:
    rng = np.random.default_rng(1)
    decay = 10 ** (-np.arange(4800) / 1600)
    path = np.concatenate([np.zeros(80), [1.0], 0.15 * rng.standard_normal(4800) * decay])
    return np.convolve(samples, path / np.linalg.norm(path))[: len(samples)].astype(np.float32)


def kept(out: Samples, voice: Samples) -> float:
    """Return the share of the energy of ``voice`` in kept blocks, except for their fades."""
    energies, left = (
        (x[: len(x) // BLOCK * BLOCK].reshape(-1, BLOCK)[:, 200:] ** 2).mean(axis=1)
        for x in (voice, out)
    )
    return float(np.sum(energies * (left > 0)) / np.sum(energies))


def test_channels_without_a_leak_are_left_as_they_are(voices: tuple[Samples, Samples]) -> None:
    out, gate = gated(list(voices))
    data = np.array(voices)
    assert np.abs(out - data).max() < 2e-3
    assert out.shape == data.shape
    assert not gate.are_channels_identical


@pytest.mark.parametrize("gain", [0.3, 0.1, 0.03, -0.1])
@pytest.mark.parametrize("is_room", [False, True])
def test_leakage_is_silenced_and_speech_is_kept(
    voices: tuple[Samples, Samples], gain: float, is_room: bool
) -> None:
    left, right = voices
    path = through_a_room if is_room else np.copy
    out, gate = gated([left + gain * path(right), right + gain * path(left)])
    for i, (own, leak) in enumerate(((left, right), (right, left))):
        assert kept(out[i], own) > 0.96
        assert kept(out[i], np.where(np.abs(own) > 0, 0, leak)) < 0.25
    assert not gate.are_channels_identical


def test_a_much_softer_speaker_is_kept(voices: tuple[Samples, Samples]) -> None:
    left, right = voices
    out, _ = gated([left, 0.1 * right])
    assert kept(out[1], right) > 0.99


@pytest.mark.parametrize("gain", [1.0, 0.8, -1.0])
def test_audio_common_to_all_channels_is_left_to_one(
    voices: tuple[Samples, Samples], gain: float
) -> None:
    both = voices[0] + voices[1]
    out, gate = gated([both, gain * both])
    assert kept(out[0], both) > 0.99
    assert kept(out[1], both) < 0.01
    assert gate.are_channels_identical


def test_a_silent_channel_and_a_single_one_are_fine(voices: tuple[Samples, Samples]) -> None:
    out, gate = gated([voices[0], np.zeros_like(voices[0])])
    assert kept(out[0], voices[0]) == 1
    assert not gate.are_channels_identical
    out, _ = gated([voices[0]])
    assert kept(out[0], voices[0]) == 1


@pytest.mark.parametrize("n", [0, 1, 3999, 4000, 90_001])
def test_every_length_is_kept(n: int) -> None:
    gate = CrosstalkGate(2)
    data = np.zeros((2, n), np.float32)
    assert gate.push(data).shape[1] + gate.flush().shape[1] == n
