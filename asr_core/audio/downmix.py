"""Several channels → one: by their places in the room, and so that they never cancel."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Downmix", "weights"]

Samples = NDArray[np.float32]

# How loud each channel is in the one, from ITU-R BS.775-4, annex 4, table 2 (mono of 3/2).
# The low-frequency effects are left out, as there and in FFmpeg.
_CENTRE, _FRONT, _AROUND, _EFFECTS = 1.0, math.sqrt(0.5), 0.5, 0.0
_KINDS = {"FC": _CENTRE, "LFE": _EFFECTS, "LFE2": _EFFECTS} | dict.fromkeys(
    ("FL", "FR", "FLC", "FRC", "DL", "DR"), _FRONT
)

_BESIDE_CENTRE = 0.6
"""How loud all others are beside that where there is a centre, in which films have their
dialogue. Of 460 words 24 % were wrong on music as loud as the speech (0.7: 32 %, FFmpeg's mono:
45 %), 22 % in a crowd (30, 50 %), 19 % in 7.1 (23, 46 %), and with voices left and right only
16.3 % (17.0, 16.1 %; tiny.en, 24 clips of eight sources). Chosen from five values on
these clips: neighbours differ by chance too (0.65: 30, 26, 18 and 16.3 %), 0.5 is better in films
(22, 18, 16 %) and worse at the sides (17.4 %)."""

_USUAL_ORDER = {
    6: ("FL", "FR", "FC", "", "BL", "BR"),
    8: ("FL", "FR", "FC", "", "BL", "BR", "SL", "SR"),
}
"""What so many channels without places mostly are. They may be microphones as well, so
none is left out."""

_MEASURED_HZ = 8000
"""Whether channels cancel is measured on so many samples a second, and on their
differences: of hum and hiss there is less in them than of voices."""

_BLOCK = 80
"""Of those, for which one decision holds: 10 ms. It is also how long a change takes."""

_FAST, _SLOW = math.exp(-1 / 10), math.exp(-1 / 200)
"""What is left a block later of the energies measured: they are means over 0.1 s and 2 s."""

_CANCELS, _CANCELS_NOT = -0.5, -0.1
"""Of the energy that independent channels would give the mean has half; 0.9 and it is taken
again. Of independent noises 300 000 blocks never fell to 0.6."""

_QUADRATURE_S = 0.004
"""Delay of the channels that are turned: voices above 200 Hz are turned by all of 90 degrees,
what is lower by less, which does not cancel either."""


def weights(channels: Sequence[str]) -> Samples:
    """Return how loud each of ``channels`` is in the one: (n_channels,), of sum 1.

    Args:
        channels: FFmpeg's names of their places: ``FL``, ``LFE``, ``AMBI0``, ``NONE``.
    """
    places = channels
    if all(name == "NONE" for name in channels):
        places = _USUAL_ORDER.get(len(channels), [""] * len(channels))
    kinds = np.array([_kind(name) for name in places])
    values = kinds.copy()
    for kind in (_FRONT, _AROUND):
        # More of them than the two of 3/2 are together as loud as two: else they bury the voices.
        n = int(np.count_nonzero(kinds == kind))
        values[kinds == kind] *= min(1.0, math.sqrt(2 / max(n, 1)))
    if "FC" in channels:
        values[kinds != _CENTRE] *= _BESIDE_CENTRE
    if not values.any():
        values = np.ones(len(channels))
    return np.asarray(values / values.sum(), np.float32)


def _kind(name: str) -> float:
    if name.startswith("AMBI"):  # the first is the sound from everywhere, the others its sides
        return _CENTRE if name == "AMBI0" else 0.0
    return _KINDS.get(name, _AROUND)


def _angles(channels: Sequence[str], counted: NDArray[np.intp]) -> NDArray[np.float64]:
    """By how much each channel is turned, radians: those ``counted`` by none, by 90 degrees and
    by what is between, from left to right. No two that may hold one voice against each other
    are turned alike."""
    from_left = sorted(counted, key=lambda i: (_side(channels[i]), i))
    angles = np.zeros(len(channels))
    angles[from_left] = np.linspace(0, math.pi / 2, len(counted))
    return angles


def _side(name: str) -> int:
    bare = name.removesuffix("C") if name in ("FLC", "FRC") else name
    return {"L": -1, "R": 1}.get(bare[-1:], 0)


@functools.cache
def _quarter_turn(delay: int) -> NDArray[np.float64]:
    """The filter that turns every frequency by 90 degrees (Hilbert), ``delay`` samples later."""
    k = np.arange(-delay, delay + 1)
    ideal = np.where(k % 2, 2 / (math.pi * np.where(k, k, 1)), 0.0)
    taps: NDArray[np.float64] = ideal * np.hanning(len(k) + 2)[1:-1]
    return taps


class Downmix:
    """Streaming mean of the channels of one layout, weighted; not for two threads at once.

    Where the channels hold one voice in opposite phase, so that their mean loses it, they are
    added a quarter-turn apart, as quadrature does with two: left by 0, right by 90 degrees. So
    neither sign cancels them, and what is independent sounds as in the mean. One gives way to
    the other within 10 ms. The same samples give the same result however they are cut.

    Args:
        channels: FFmpeg's names of their places, in order.
        rate_hz: samples a second.
    """

    def __init__(self, channels: Sequence[str], rate_hz: int) -> None:
        self._weights = weights(channels)
        counted = np.flatnonzero(self._weights)
        angles = _angles(channels, counted)
        self._turned = np.stack([self._weights * np.cos(angles), self._weights * np.sin(angles)])
        self._n_averaged = max(1, round(rate_hz / _MEASURED_HZ))
        self._averaging = np.full(self._n_averaged, 1 / self._n_averaged, np.float32)
        self._block = _BLOCK * self._n_averaged
        self._delay = max(1, round(_QUADRATURE_S * rate_hz))
        self._may_cancel = len(counted) > 1
        self._past = np.zeros((len(channels), 2 * self._delay), np.float32)
        self._unmeasured = np.zeros((len(channels), 0), np.float32)
        self._last = np.zeros((len(channels), 1))  # the one before, of those measured
        self._fast, self._slow = [0.0, 0.0], [0.0, 0.0]  # energies: of the mean, of its parts
        self._cancels = False
        self._shares = [0.0, 0.0]  # of the turned sum, when the block begins and ends

    def push(self, channels: Samples) -> Samples:
        """Take (n_channels, n_samples) float32; return as many samples of the one."""
        mono: Samples = self._weights @ channels
        if not self._may_cancel:
            return mono
        n_before = self._unmeasured.shape[1]
        self._measure(channels)
        if any(self._shares):
            edges = self._block * np.arange(len(self._shares))
            share = np.interp(n_before + np.arange(len(mono)), edges, self._shares)
            mono = ((1 - share) * mono + share * self._apart(channels)).astype(np.float32)
        del self._shares[:-2]
        n_past = self._past.shape[1]
        self._past = np.concatenate([self._past, channels[:, -n_past:]], axis=1)[:, -n_past:]
        return mono

    def _measure(self, channels: Samples) -> None:
        """Decide for the blocks that follow those now whole."""
        waiting = np.concatenate([self._unmeasured, channels], axis=1)
        n_blocks = waiting.shape[1] // self._block
        self._unmeasured = waiting[:, n_blocks * self._block :]
        if not n_blocks:
            return
        whole = waiting[:, : n_blocks * self._block].reshape(len(waiting), -1, self._n_averaged)
        slower: NDArray[np.float64] = self._weights[:, np.newaxis] * (whole @ self._averaging)
        slower = np.concatenate([self._last, slower], axis=1)
        self._last = slower[:, -1:]
        parts = (slower[:, 1:] - slower[:, :-1]).reshape(len(slower), n_blocks, _BLOCK)
        mean = parts.sum(axis=0)
        of_means = np.einsum("bs,bs->b", mean, mean)
        of_parts = np.einsum("cbs,cbs->b", parts, parts)
        for of_mean, of_part in zip(of_means.tolist(), of_parts.tolist(), strict=True):
            self._shares.append(self._judge(of_mean, of_part))

    def _judge(self, of_mean: float, of_parts: float) -> float:
        """Return the share of the turned sum, from the energies of one more block."""
        fast, slow = self._fast, self._slow
        fast[:] = _FAST * fast[0] + of_mean, _FAST * fast[1] + of_parts
        slow[:] = _SLOW * slow[0] + of_mean, _SLOW * slow[1] + of_parts
        begins = fast[0] < (1 + _CANCELS) * fast[1]
        is_over = all(mean > (1 + _CANCELS_NOT) * parts for mean, parts in (fast, slow))
        self._cancels = begins or (self._cancels and not is_over)
        return float(self._cancels)

    def _apart(self, channels: Samples) -> NDArray[np.float64]:
        """The channels added a quarter-turn apart, ``_delay`` samples later."""
        straight, turned = self._turned @ np.concatenate([self._past, channels], axis=1)
        n, delay = channels.shape[1], self._delay
        across = np.convolve(turned, _quarter_turn(delay), "valid")
        return np.asarray(straight[delay : delay + n] + across)
