"""Downmix of several channels to mono: weighted by position, and without cancellation."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Downmix", "mix_weights"]

Samples = NDArray[np.float32]

# Gains of the channels in the mono mix, from ITU-R BS.775-4, annex 4, table 2 (mono of 3/2).
# The low-frequency effects are left out, as there and in FFmpeg.
_CENTRE, _FRONT, _SURROUND, _LFE = 1.0, math.sqrt(0.5), 0.5, 0.0
_GAINS = {"FC": _CENTRE, "LFE": _LFE, "LFE2": _LFE} | dict.fromkeys(
    ("FL", "FR", "FLC", "FRC", "DL", "DR"), _FRONT
)

_OTHERS_BESIDE_CENTRE = 0.6
"""Gain of all other channels where there is a centre, which has the dialogue in films
(docs/tuning.md)."""

_DEFAULT_LAYOUTS = {
    6: ("FL", "FR", "FC", "", "BL", "BR"),
    8: ("FL", "FR", "FC", "", "BL", "BR", "SL", "SR"),
}
"""Usual layouts of channels without positions. They may be microphones, so none is left out."""

_MEASURE_RATE_HZ = 8000
"""Rate at which cancellation is measured, on the differences of samples: these hold less hum and
hiss than voice."""

_DECISION_BLOCK = 80
"""Samples at that rate per decision: 10 ms, also the length of a cross-fade."""

_FAST_DECAY, _SLOW_DECAY = math.exp(-1 / 10), math.exp(-1 / 200)
"""Decay per block of the averaged energies, with time constants of 0.1 s and 2 s."""

_CANCEL_START, _CANCEL_END = -0.5, -0.1
"""Energy of the mean relative to independent channels at which cancellation starts and ends
(docs/tuning.md)."""

_QUADRATURE_S = 0.004
"""Delay of the phase-shifted channels: above 200 Hz they are shifted by a full 90 degrees, below by
less, which does not cancel either."""


def mix_weights(channels: Sequence[str]) -> Samples:
    """Return the weight of each channel in the mono mix: (n_channels,), with sum 1.

    Args:
        channels: FFmpeg's names of their positions: ``FL``, ``LFE``, ``AMBI0``, ``NONE``.
    """
    places = channels
    if all(name == "NONE" for name in channels):
        places = _DEFAULT_LAYOUTS.get(len(channels), [""] * len(channels))
    gains = np.array([_gain(name) for name in places])
    values = gains.copy()
    for gain in (_FRONT, _SURROUND):
        # More than the two of 3/2 are together as loud as two: else they would bury the voices.
        n = int(np.count_nonzero(gains == gain))
        values[gains == gain] *= min(1.0, math.sqrt(2 / max(n, 1)))
    if "FC" in channels:
        values[gains != _CENTRE] *= _OTHERS_BESIDE_CENTRE
    if not values.any():
        values = np.ones(len(channels))
    return np.asarray(values / values.sum(), np.float32)


def _gain(name: str) -> float:
    if name.startswith("AMBI"):  # ambisonics: the first is omnidirectional
        return _CENTRE if name == "AMBI0" else 0.0
    return _GAINS.get(name, _SURROUND)


def _phase_angles(channels: Sequence[str], audible: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the phase shift of each channel in radians.

    The ``audible`` ones get 0 to 90 degrees from left to right, so that no two which may hold one
    voice in opposite phase are shifted alike.
    """
    from_left = sorted(audible, key=lambda i: (_side(channels[i]), i))
    angles = np.zeros(len(channels))
    angles[from_left] = np.linspace(0, math.pi / 2, len(audible))
    return angles


def _side(name: str) -> int:
    bare = name.removesuffix("C") if name in ("FLC", "FRC") else name
    return {"L": -1, "R": 1}.get(bare[-1:], 0)


@functools.cache
def _hilbert_filter(delay: int) -> NDArray[np.float64]:
    """Return the Hilbert filter, which shifts all frequencies by 90 degrees, ``delay`` samples late."""
    k = np.arange(-delay, delay + 1)
    ideal = np.where(k % 2, 2 / (math.pi * np.where(k, k, 1)), 0.0)
    taps: NDArray[np.float64] = ideal * np.hanning(len(k) + 2)[1:-1]
    return taps


class Downmix:
    """Streaming weighted mean of the channels of one layout; for one thread at a time.

    Where the channels hold one voice in opposite phase, so that their mean loses it, they are
    mixed in quadrature instead: phase-shifted from 0 degrees on the left to 90 on the right.
    Neither sign cancels then, and independent signals sound as in the mean. The mixes are
    cross-faded within 10 ms. The output does not depend on the size of the blocks.

    Args:
        channels: FFmpeg's names of their positions, in order.
        rate_hz: their sample rate.
    """

    def __init__(self, channels: Sequence[str], rate_hz: int) -> None:
        self._weights = mix_weights(channels)
        audible = np.flatnonzero(self._weights)
        angles = _phase_angles(channels, audible)
        self._rotated = np.stack([self._weights * np.cos(angles), self._weights * np.sin(angles)])
        self._n_averaged = max(1, round(rate_hz / _MEASURE_RATE_HZ))
        self._averaging = np.full(self._n_averaged, 1 / self._n_averaged, np.float32)
        self._block = _DECISION_BLOCK * self._n_averaged
        self._delay = max(1, round(_QUADRATURE_S * rate_hz))
        self._may_cancel = len(audible) > 1
        self._history = np.zeros((len(channels), 2 * self._delay), np.float32)
        self._pending = np.zeros((len(channels), 0), np.float32)
        self._last_column = np.zeros((len(channels), 1))  # before the next block
        self._fast, self._slow = [0.0, 0.0], [0.0, 0.0]  # energies of the mean and of its parts
        self._is_cancelling = False
        self._quadrature_shares = [0.0, 0.0]  # at the start and the end of a block

    def push(self, channels: Samples) -> Samples:
        """Return the mono mix, (n_samples,), of (n_channels, n_samples) float32."""
        mono: Samples = self._weights @ channels
        if not self._may_cancel:
            return mono
        n_before = self._pending.shape[1]
        self._measure(channels)
        if any(self._quadrature_shares):
            edges = self._block * np.arange(len(self._quadrature_shares))
            share = np.interp(n_before + np.arange(len(mono)), edges, self._quadrature_shares)
            mono = ((1 - share) * mono + share * self._mix_in_quadrature(channels)).astype(
                np.float32
            )
        del self._quadrature_shares[:-2]
        n_history = self._history.shape[1]
        self._history = np.concatenate([self._history, channels[:, -n_history:]], axis=1)[
            :, -n_history:
        ]
        return mono

    def _measure(self, channels: Samples) -> None:
        """Append the quadrature shares that follow from the blocks completed now."""
        pending = np.concatenate([self._pending, channels], axis=1)
        n_blocks = pending.shape[1] // self._block
        self._pending = pending[:, n_blocks * self._block :]
        if not n_blocks:
            return
        whole = pending[:, : n_blocks * self._block].reshape(len(pending), -1, self._n_averaged)
        columns: NDArray[np.float64] = self._weights[:, np.newaxis] * (whole @ self._averaging)
        columns = np.concatenate([self._last_column, columns], axis=1)
        self._last_column = columns[:, -1:]
        parts = (columns[:, 1:] - columns[:, :-1]).reshape(len(columns), n_blocks, _DECISION_BLOCK)
        mean = parts.sum(axis=0)
        mean_energies = np.einsum("bs,bs->b", mean, mean)
        part_energies = np.einsum("cbs,cbs->b", parts, parts)
        for mean_energy, part_energy in zip(
            mean_energies.tolist(), part_energies.tolist(), strict=True
        ):
            self._quadrature_shares.append(self._quadrature_share(mean_energy, part_energy))

    def _quadrature_share(self, mean_energy: float, part_energy: float) -> float:
        """Return the share of the quadrature mix, 0 or 1, after one more block's energies."""
        fast, slow = self._fast, self._slow
        fast[:] = _FAST_DECAY * fast[0] + mean_energy, _FAST_DECAY * fast[1] + part_energy
        slow[:] = _SLOW_DECAY * slow[0] + mean_energy, _SLOW_DECAY * slow[1] + part_energy
        begins = fast[0] < (1 + _CANCEL_START) * fast[1]
        is_over = all(mean > (1 + _CANCEL_END) * parts for mean, parts in (fast, slow))
        self._is_cancelling = begins or (self._is_cancelling and not is_over)
        return float(self._is_cancelling)

    def _mix_in_quadrature(self, channels: Samples) -> NDArray[np.float64]:
        """Return the channels mixed in quadrature, ``_delay`` samples late."""
        straight, rotated = self._rotated @ np.concatenate([self._history, channels], axis=1)
        n, delay = channels.shape[1], self._delay
        quadrature = np.convolve(rotated, _hilbert_filter(delay), "valid")
        return np.asarray(straight[delay : delay + n] + quadrature)
