"""The live buffer between the thread that receives audio and the one that reads it."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

__all__ = ["AudioBuffer"]

Samples = NDArray[np.float32]

_FIRST_CAPACITY = 1 << 18  # 16 s at 16 kHz


class AudioBuffer:
    """Samples with an absolute clock; any thread may call any method.

    Positions are counted from the first sample ever appended and stay valid
    when older samples are dropped. The lock is held for a copy only, so
    ``append`` never waits for a model.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data: Samples = np.zeros(_FIRST_CAPACITY, np.float32)
        self._first = 0  # absolute position of self._data[0]
        self._start = 0  # absolute position of the oldest sample kept
        self._end = 0  # absolute position after the newest sample

    @property
    def start(self) -> int:
        """Position of the oldest sample kept."""
        return self._start

    @property
    def end(self) -> int:
        """Position after the newest sample: how many were ever appended."""
        return self._end

    def append(self, samples: Samples) -> None:
        """Add (n_samples,) float32 at the end."""
        with self._lock:
            if self._end - self._first + len(samples) > len(self._data):
                self._make_room(len(samples))
            at = self._end - self._first
            self._data[at : at + len(samples)] = samples
            self._end += len(samples)

    def read(self, start: int, end: int) -> Samples:
        """A copy of the samples from ``start`` up to ``end``.

        Raises:
            IndexError: some of them are dropped or not yet there.
        """
        with self._lock:
            if not self._start <= start <= end <= self._end:
                raise IndexError(
                    f"[{start}, {end}) is outside of the kept [{self._start}, {self._end})"
                )
            return self._data[start - self._first : end - self._first].copy()

    def drop_before(self, position: int) -> None:
        """Forget what is older than ``position``; later positions stay valid."""
        with self._lock:
            self._start = min(max(self._start, position), self._end)

    def _make_room(self, n_more: int) -> None:
        """Move the kept samples to the front, of a larger array if need be."""
        kept = self._data[self._start - self._first : self._end - self._first]
        capacity = max(_FIRST_CAPACITY, 2 * (len(kept) + n_more))
        data = np.zeros(capacity, np.float32)
        data[: len(kept)] = kept
        self._data, self._first = data, self._start
