"""Running gain that brings soft voices to the level at which the voice detector finds them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["RunningGain"]

Levels = NDArray[np.float64]

_TARGET_DBFS = -20.0
"""Level of the loudest frames after the gain (docs/tuning.md); louder ones stay as they are."""

_MAX_NOISE_DBFS = -35.0
"""Level to which background noise is amplified at most (docs/tuning.md)."""

_MAX_GAIN_DB = 40.0
"""Largest gain: the last bit of 16 stays at -50 dBFS, where no noise was taken for speech."""

_PEAK_FALL_DB_PER_S = 10.0
"""Fall of the peak level, by which a soft voice is found after a loud one (docs/tuning.md)."""

_FLOOR_RISE_DB_PER_S = 3.0
"""Rise of the noise floor: speech between two breaths raises it by a few decibels only."""

_SILENCE_DBFS = -120.0
"""Level of digital silence, which has no logarithm."""


class RunningGain:
    """Gain from the levels so far: a peak level that falls slowly and a floor that rises slowly.

    Frames in pushes of any size get the same gains. For one thread at a time.

    Args:
        frame_s: seconds in a frame.
    """

    def __init__(self, frame_s: float) -> None:
        self._fall_db = _PEAK_FALL_DB_PER_S * frame_s
        self._rise_db = _FLOOR_RISE_DB_PER_S * frame_s
        self.reset()

    def reset(self) -> None:
        """Forget the levels so far."""
        self._peak_dbfs, self._floor_dbfs = -math.inf, math.inf

    def push(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the factor for each of the frames, (n_frames, n_samples); at least one."""
        power = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / frames.shape[1]
        levels = 10 * np.log10(np.maximum(power, 10 ** (_SILENCE_DBFS / 10)))
        peaks = _held_peaks(levels, self._peak_dbfs, self._fall_db)
        floors = -_held_peaks(-levels, -self._floor_dbfs, self._rise_db)
        self._peak_dbfs, self._floor_dbfs = peaks[-1], floors[-1]
        gains_db = np.minimum(_TARGET_DBFS - peaks, _MAX_NOISE_DBFS - floors)
        factors = 10 ** (np.clip(gains_db, 0.0, _MAX_GAIN_DB) / 20)
        return factors.astype(np.float32)


def _held_peaks(levels: Levels, peak: float, fall: float) -> Levels:
    """Return the largest level so far at each frame; ``peak`` is the one before the first.

    It falls by ``fall`` a frame.
    """
    fallen = fall * np.arange(1, len(levels) + 1)
    held: Levels = np.maximum(np.maximum.accumulate(levels + fallen), peak) - fallen
    return held
