"""What a channel hears of the speaker of another one, taken out: else it is written twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ

__all__ = ["CrosstalkGate"]

Samples = NDArray[np.float32]
Energies = NDArray[np.float64]

BLOCK = SAMPLE_RATE_HZ // 4
"""For which one decision holds."""

_AROUND = 3 * BLOCK // 2
"""Heard with a block on either side. Over the second that this makes, 99 % of independent
voices are alike to less than 0.14, and 95 % of what leaks through a room to more than 0.18
(40 voices, a reverberation time of 0.3 s)."""

_ALIKE, _THE_SAME = 0.16, 0.95

_LATEST, _EARLIEST = 3 * SAMPLE_RATE_HZ // 10, SAMPLE_RATE_HZ // 32
"""Behind the other channel: echoes of lines; before it: clocks that were started apart."""

_FFT = 21_600
"""Longer than what is compared, and a product of small primes."""

_QUIETER = 10 ** (3 / 10)
"""The speaker's own channel has more energy than the others: 3 dB."""

_OWN = 10 ** (6 / 10)
"""As much above what a channel mostly has while another speaks, somebody speaks there too."""

_ACTIVE = 1e-3  # of the loudest block's energy; below, nobody speaks
_SILENT = 1e-10  # energy: less than 16 bits hold
_FADE = SAMPLE_RATE_HZ // 100

_RATIOS_DB = np.arange(-90, 1)
_MOSTLY = 0.25
"""The share of blocks of another speaker in which this one is surely silent."""


class CrosstalkGate:
    """Streaming; silences each channel where it only holds, more quietly, what another holds.

    Not for two threads at once. Channels of one and the same sound are left to the first.
    """

    def __init__(self, n_channels: int) -> None:
        self._n = n_channels
        self._held = np.zeros((n_channels, _AROUND + _LATEST), np.float32)
        self._energies = np.zeros((n_channels, 1))  # of the block before, and those held
        self._loudest = np.zeros((n_channels, 1))
        self._ratios = np.zeros((n_channels, n_channels, len(_RATIOS_DB)))
        self._gains = np.ones(n_channels)  # of the last block
        self._n_active, self._n_own, self._n_same = np.zeros((3, n_channels), int)  # blocks

    @property
    def is_one_sound(self) -> bool:
        """Whether all channels held the same so far."""
        has_own = self._n_own > 0.05 * self._n_active
        is_same = self._n_same > 0.5 * self._n_active
        return bool(has_own.sum() == 1 and (has_own | is_same).all())

    def push(self, channels: Samples) -> Samples:
        """Take (n_channels, n_samples) at 16 kHz; return those that are decided, a second less."""
        self._held = np.concatenate([self._held, channels], axis=1)
        n_ahead = _AROUND + _EARLIEST
        n_blocks = max(0, (self._held.shape[1] - _AROUND - _LATEST - n_ahead) // BLOCK)
        return self._decided(n_blocks)

    def flush(self) -> Samples:
        """Return the rest, at the end."""
        n_left = self._held.shape[1] - _AROUND - _LATEST
        n_blocks = -(-n_left // BLOCK)
        n_missing = n_blocks * BLOCK - n_left + _AROUND + _EARLIEST
        self._held = np.pad(self._held, ((0, 0), (0, n_missing)))
        return self._decided(n_blocks)[:, :n_left]

    def _decided(self, n_blocks: int) -> Samples:
        if not n_blocks:
            return np.zeros((self._n, 0), np.float32)
        first = _AROUND + _LATEST
        blocks = self._held[:, first : first + n_blocks * BLOCK].reshape(self._n, n_blocks, BLOCK)
        energies: Energies = np.mean(np.diff(blocks, axis=2) ** 2, axis=2, dtype=np.float64)
        self._energies = np.hstack([self._energies[:, -1:], energies])
        self._loudest = np.maximum(self._loudest, energies.max(axis=1, keepdims=True))
        speaking: Energies = np.maximum(self._energies[:, :-1], energies)  # or has just spoken
        self._count(energies, speaking)
        gains = np.array([self._gains_of(i, energies, speaking) for i in range(n_blocks)]).T
        out: Samples = (blocks.reshape(self._n, -1) * self._ramps(gains)).astype(np.float32)
        self._held = self._held[:, n_blocks * BLOCK :]
        return out

    def _count(self, energies: Energies, speaking: Energies) -> None:
        """Keep how loud each channel is beside each other one in which somebody speaks."""
        for other in range(self._n):
            is_active = energies[other] > _ACTIVE * self._loudest[other]
            for channel in range(self._n):
                ratio = (energies[channel] + 1e-12) / (speaking[other] + 1e-12)
                decibels = np.clip(np.round(10 * np.log10(ratio)), -90, 0).astype(int) + 90
                np.add.at(self._ratios[channel, other], decibels[is_active], 1)

    def _mostly(self, channel: int, other: int) -> float:
        """The energy of ``channel`` while ``other`` speaks alone, beside that of ``other``."""
        counts = np.cumsum(self._ratios[channel, other])
        at = int(np.searchsorted(counts, _MOSTLY * counts[-1]))
        return float(10 ** (_RATIOS_DB[min(at, len(_RATIOS_DB) - 1)] / 10))

    def _gains_of(self, block: int, energies: Energies, speaking: Energies) -> NDArray[np.float64]:
        """1 or 0 for each channel of a block."""
        gains = np.ones(self._n)
        for channel in range(self._n):
            energy = float(energies[channel, block])
            if energy < _SILENT:
                continue
            likenesses = [
                self._copied(channel, other, block, energy, speaking)
                for other in range(self._n)
                if other != channel
            ]
            likeness = max(likenesses, default=0.0)
            gains[channel] = not likeness
            if energy > _ACTIVE * self._loudest[channel, 0]:
                self._n_active[channel] += 1
                self._n_own[channel] += not likeness
                self._n_same[channel] += likeness > _THE_SAME
        return gains

    def _copied(
        self, channel: int, other: int, block: int, energy: float, speaking: Energies
    ) -> float:
        """How alike the sound of ``channel`` is to that of ``other``; 0 if it is its own."""
        theirs = float(speaking[other, block])
        if theirs <= _ACTIVE * self._loudest[other, 0]:
            return 0.0
        may_be_first = other < channel and energy < _QUIETER * theirs
        may_leak = energy * _QUIETER < theirs and (
            energy < _OWN * self._mostly(channel, other) * theirs
        )
        if not may_leak and not may_be_first:
            return 0.0
        likeness, loudness = self._compared(channel, other, block)
        if loudness * _QUIETER < 1:
            return likeness if may_leak and likeness > _ALIKE else 0.0
        is_first = may_be_first and likeness > _THE_SAME and loudness < _QUIETER
        return likeness if is_first else 0.0

    def _compared(self, channel: int, other: int, block: int) -> tuple[float, float]:
        """How well ``other`` explains ``channel`` around a block, at the best delay, from 0 to
        1; the energy of this one beside that of the other, then."""
        at = _LATEST + block * BLOCK
        n = BLOCK + 2 * _AROUND
        ours = np.diff(self._held[channel, at : at + n].astype(np.float64))
        theirs = np.diff(self._held[other, at - _LATEST : at + n + _EARLIEST].astype(np.float64))
        both = np.fft.rfft(theirs, _FFT) * np.conj(np.fft.rfft(ours, _FFT))
        products = np.fft.irfft(both, _FFT)[: len(theirs) - len(ours) + 1]
        sums = np.cumsum(np.concatenate([[0.0], theirs**2]))
        energies = sums[len(ours) :] - sums[: -len(ours)] + 1e-12
        alike = np.abs(products) / np.sqrt(energies * (np.sum(ours**2) + 1e-12))
        delay = int(np.argmax(alike))
        return float(alike[delay]), float(np.sum(ours**2) / energies[delay])

    def _ramps(self, gains: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_channels, n_samples) of ``gains`` a block, each of which fades in."""
        before = np.hstack([self._gains[:, np.newaxis], gains[:, :-1]])
        self._gains = gains[:, -1]
        fade = np.minimum(np.arange(BLOCK) / _FADE, 1.0)
        ramps = before[:, :, np.newaxis] * (1 - fade) + gains[:, :, np.newaxis] * fade
        return np.asarray(ramps.reshape(len(gains), -1))
