"""Live buffer between the thread that receives audio and the one that transcribes it."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

__all__ = ["AudioBuffer"]

Samples = NDArray[np.float32]

_MIN_CAPACITY = 1 << 18  # samples, 16 s


class AudioBuffer:
    """Samples at absolute positions; any thread may call any method.

    Positions count from the first sample ever appended and stay valid when older
    samples are dropped. The lock is held for a copy only, so ``append`` never waits
    for a model.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data: Samples = np.zeros(_MIN_CAPACITY, np.float32)
        self._data_start = 0  # position of self._data[0]
        self._start = 0
        self._end = 0

    @property
    def start(self) -> int:
        """Position of the oldest sample kept."""
        return self._start

    @property
    def end(self) -> int:
        """Position after the newest sample: the number of samples ever appended."""
        return self._end

    def append(self, samples: Samples) -> None:
        """Append (n_samples,) float32."""
        with self._lock:
            if self._end - self._data_start + len(samples) > len(self._data):
                self._make_room(len(samples))
            at = self._end - self._data_start
            self._data[at : at + len(samples)] = samples
            self._end += len(samples)

    def read(self, start: int, end: int) -> Samples:
        """Return a copy of the samples from ``start`` up to ``end``.

        Raises:
            IndexError: some of them were dropped or have not arrived yet.
        """
        with self._lock:
            if not self._start <= start <= end <= self._end:
                raise IndexError(
                    f"[{start}, {end}) is outside of the kept [{self._start}, {self._end})"
                )
            return self._data[start - self._data_start : end - self._data_start].copy()

    def drop_before(self, position: int) -> None:
        """Drop the samples before ``position``."""
        with self._lock:
            self._start = min(max(self._start, position), self._end)

    def _make_room(self, n_more: int) -> None:
        """Move the kept samples to the front of a new array with room for ``n_more``."""
        kept = self._data[self._start - self._data_start : self._end - self._data_start]
        capacity = max(_MIN_CAPACITY, 2 * (len(kept) + n_more))
        data = np.zeros(capacity, np.float32)
        data[: len(kept)] = kept
        self._data, self._data_start = data, self._start
