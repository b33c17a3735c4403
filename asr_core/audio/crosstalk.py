"""Suppression of crosstalk: speech of another channel's speaker would be transcribed twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ

__all__ = ["CrosstalkGate"]

Samples = NDArray[np.float32]
Energies = NDArray[np.float64]

BLOCK = SAMPLE_RATE_HZ // 4
"""Samples per decision, 0.25 s."""

_CONTEXT = 3 * BLOCK // 2
"""Context on either side of a block, for a comparison over one second (docs/tuning.md)."""

_MIN_SIMILARITY, _SAME_SIMILARITY = 0.16, 0.95
"""Normalised cross-correlation from which a channel leaks, and is the same signal."""

_MAX_DELAY, _MAX_ADVANCE = 3 * SAMPLE_RATE_HZ // 10, SAMPLE_RATE_HZ // 32
"""Delay behind the other channel, as of line echoes, and advance, of clocks started apart."""

_FFT = 21_600
"""FFT length: longer than the signals compared, and a product of small primes."""

_MIN_ATTENUATION = 10 ** (3 / 10)
"""Energy ratio, 3 dB, by which the speaker's own channel exceeds the leak."""

_OWN_SPEECH_RATIO = 10 ** (6 / 10)
"""Energy ratio, 6 dB, above a channel's usual leak from which somebody speaks there too."""

_ACTIVE_SHARE = 1e-3  # of the loudest block's energy; nobody speaks below it
_SILENCE_ENERGY = 1e-10  # below the resolution of 16 bits
_FADE = SAMPLE_RATE_HZ // 100

_RATIOS_DB = np.arange(-90, 1)
_LEAK_QUANTILE = 0.25
"""Share of another speaker's blocks in which this one is surely silent."""


class CrosstalkGate:
    """Streaming gate that mutes a channel where it only holds a weaker copy of another one.

    For one thread at a time. Of channels with the same signal the first is kept.
    """

    def __init__(self, n_channels: int) -> None:
        self._n_channels = n_channels
        self._buffer = np.zeros((n_channels, _CONTEXT + _MAX_DELAY), np.float32)
        self._energies = np.zeros((n_channels, 1))  # of the previous block and the current ones
        self._loudest = np.zeros((n_channels, 1))
        self._ratio_histograms = np.zeros((n_channels, n_channels, len(_RATIOS_DB)))
        self._gains = np.ones(n_channels)  # of the last block
        self._n_active, self._n_own, self._n_same = np.zeros((3, n_channels), int)  # blocks

    @property
    def are_channels_identical(self) -> bool:
        """True if all channels held the same signal so far."""
        has_own = self._n_own > 0.05 * self._n_active
        is_same = self._n_same > 0.5 * self._n_active
        return bool(has_own.sum() == 1 and (has_own | is_same).all())

    def push(self, channels: Samples) -> Samples:
        """Return the gated samples that are ready, about a second behind (n_channels, n_samples)."""
        self._buffer = np.concatenate([self._buffer, channels], axis=1)
        n_ahead = _CONTEXT + _MAX_ADVANCE
        n_blocks = max(0, (self._buffer.shape[1] - _CONTEXT - _MAX_DELAY - n_ahead) // BLOCK)
        return self._gate_blocks(n_blocks)

    def flush(self) -> Samples:
        """Return the remaining samples, at the end of the stream."""
        n_left = self._buffer.shape[1] - _CONTEXT - _MAX_DELAY
        n_blocks = -(-n_left // BLOCK)
        n_missing = n_blocks * BLOCK - n_left + _CONTEXT + _MAX_ADVANCE
        self._buffer = np.pad(self._buffer, ((0, 0), (0, n_missing)))
        return self._gate_blocks(n_blocks)[:, :n_left]

    def _gate_blocks(self, n_blocks: int) -> Samples:
        if not n_blocks:
            return np.zeros((self._n_channels, 0), np.float32)
        first = _CONTEXT + _MAX_DELAY
        blocks = self._buffer[:, first : first + n_blocks * BLOCK].reshape(
            self._n_channels, n_blocks, BLOCK
        )
        energies: Energies = np.mean(np.diff(blocks, axis=2) ** 2, axis=2, dtype=np.float64)
        self._energies = np.hstack([self._energies[:, -1:], energies])
        self._loudest = np.maximum(self._loudest, energies.max(axis=1, keepdims=True))
        speaking: Energies = np.maximum(
            self._energies[:, :-1], energies
        )  # includes the previous block
        self._update_histograms(energies, speaking)
        gains = np.array([self._block_gains(i, energies, speaking) for i in range(n_blocks)]).T
        out: Samples = (blocks.reshape(self._n_channels, -1) * self._ramps(gains)).astype(
            np.float32
        )
        self._buffer = self._buffer[:, n_blocks * BLOCK :]
        return out

    def _update_histograms(self, energies: Energies, speaking: Energies) -> None:
        """Count each channel's level relative to every other one in which somebody speaks."""
        for other in range(self._n_channels):
            is_active = energies[other] > _ACTIVE_SHARE * self._loudest[other]
            for channel in range(self._n_channels):
                ratio = (energies[channel] + 1e-12) / (speaking[other] + 1e-12)
                decibels = np.clip(np.round(10 * np.log10(ratio)), -90, 0).astype(int) + 90
                np.add.at(self._ratio_histograms[channel, other], decibels[is_active], 1)

    def _leak_ratio(self, channel: int, other: int) -> float:
        """Return the energy ratio of ``channel`` to ``other`` while ``other`` speaks alone."""
        counts = np.cumsum(self._ratio_histograms[channel, other])
        at = int(np.searchsorted(counts, _LEAK_QUANTILE * counts[-1]))
        return float(10 ** (_RATIOS_DB[min(at, len(_RATIOS_DB) - 1)] / 10))

    def _block_gains(
        self, block: int, energies: Energies, speaking: Energies
    ) -> NDArray[np.float64]:
        """Return the gain of each channel in a block, 1 or 0."""
        gains = np.ones(self._n_channels)
        for channel in range(self._n_channels):
            energy = float(energies[channel, block])
            if energy < _SILENCE_ENERGY:
                continue
            similarities = [
                self._copy_similarity(channel, other, block, energy, speaking)
                for other in range(self._n_channels)
                if other != channel
            ]
            similarity = max(similarities, default=0.0)
            gains[channel] = not similarity
            if energy > _ACTIVE_SHARE * self._loudest[channel, 0]:
                self._n_active[channel] += 1
                self._n_own[channel] += not similarity
                self._n_same[channel] += similarity > _SAME_SIMILARITY
        return gains

    def _copy_similarity(
        self, channel: int, other: int, block: int, energy: float, speaking: Energies
    ) -> float:
        """Return the similarity of ``channel`` to ``other`` if it is a copy, else 0."""
        other_energy = float(speaking[other, block])
        if other_energy <= _ACTIVE_SHARE * self._loudest[other, 0]:
            return 0.0
        may_be_first = other < channel and energy < _MIN_ATTENUATION * other_energy
        may_leak = energy * _MIN_ATTENUATION < other_energy and (
            energy < _OWN_SPEECH_RATIO * self._leak_ratio(channel, other) * other_energy
        )
        if not may_leak and not may_be_first:
            return 0.0
        similarity, loudness = self._best_match(channel, other, block)
        if loudness * _MIN_ATTENUATION < 1:
            return similarity if may_leak and similarity > _MIN_SIMILARITY else 0.0
        is_first = may_be_first and similarity > _SAME_SIMILARITY and loudness < _MIN_ATTENUATION
        return similarity if is_first else 0.0

    def _best_match(self, channel: int, other: int, block: int) -> tuple[float, float]:
        """Return the best cross-correlation around a block, 0 to 1, and the energy ratio there."""
        at = _MAX_DELAY + block * BLOCK
        n = BLOCK + 2 * _CONTEXT
        own_signal = np.diff(self._buffer[channel, at : at + n].astype(np.float64))
        other_signal = np.diff(
            self._buffer[other, at - _MAX_DELAY : at + n + _MAX_ADVANCE].astype(np.float64)
        )
        both = np.fft.rfft(other_signal, _FFT) * np.conj(np.fft.rfft(own_signal, _FFT))
        products = np.fft.irfft(both, _FFT)[: len(other_signal) - len(own_signal) + 1]
        sums = np.cumsum(np.concatenate([[0.0], other_signal**2]))
        energies = sums[len(own_signal) :] - sums[: -len(own_signal)] + 1e-12
        similarity_by_delay = np.abs(products) / np.sqrt(energies * (np.sum(own_signal**2) + 1e-12))
        delay = int(np.argmax(similarity_by_delay))
        return float(similarity_by_delay[delay]), float(np.sum(own_signal**2) / energies[delay])

    def _ramps(self, gains: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gains per sample, (n_channels, n_samples), faded at the start of each block."""
        before = np.hstack([self._gains[:, np.newaxis], gains[:, :-1]])
        self._gains = gains[:, -1]
        fade = np.minimum(np.arange(BLOCK) / _FADE, 1.0)
        ramps = before[:, :, np.newaxis] * (1 - fade) + gains[:, :, np.newaxis] * fade
        return np.asarray(ramps.reshape(len(gains), -1))
