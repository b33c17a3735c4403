"""Audio of a session, kept in memory to be saved or transcribed again."""

from __future__ import annotations

import io
import threading

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import decode
from asr_core.audio.encode import to_flac
from asr_core.audio.pcm import clip_to_int16
from asr_core.errors import LimitError
from asr_core.ops.budget import Reservation

__all__ = ["KeptAudio"]

_N_PACKED = 60 * SAMPLE_RATE_HZ
"""Samples packed at once: they take half the memory, and 20 ms to pack."""


class KeptAudio:
    """Audio in 16 bits within a reservation of memory, all but the last minute as FLAC.

    Any thread may call.

    Args:
        is_wanted: False keeps nothing.
        reservation: grows with the audio; None keeps whatever comes.

    Attributes:
        error: a sentence once the reservation has refused to grow, else None.
    """

    def __init__(self, *, is_wanted: bool, reservation: Reservation | None) -> None:
        self.error: str | None = None
        self._lock = threading.Lock()  # guards what is below
        self._is_growing = is_wanted
        self._reservation = reservation
        self._packed: list[bytes] = []  # FLAC files
        self._parts: list[NDArray[np.int16]] = []  # after them
        self._n_in_parts = 0

    def append(self, samples: NDArray[np.float32]) -> None:
        """Keep (n_samples,) more; do nothing once the reservation has refused."""
        if not self._is_growing:
            return
        part = clip_to_int16(samples)
        with self._lock:
            if not self._is_growing:
                return
            try:
                if self._reservation is not None:
                    self._reservation.grow(part.nbytes)
            except LimitError as error:
                self._is_growing, self.error = False, str(error)
                return
            self._parts.append(part)
            self._n_in_parts += len(part)
            if self._n_in_parts >= _N_PACKED:
                self._pack()

    def _pack(self) -> None:
        samples = np.concatenate(self._parts)
        self._packed.append(to_flac(samples))
        self._parts, self._n_in_parts = [], 0
        if self._reservation is not None:
            self._reservation.shrink(max(0, samples.nbytes - len(self._packed[-1])))

    def discard(self) -> None:
        """Free the memory and the reservation, and keep nothing from now on."""
        with self._lock:
            self._is_growing, self._packed, self._parts = False, [], []
            if self._reservation is not None:
                self._reservation.release()

    def samples(self) -> NDArray[np.int16]:
        """Return the audio so far, (n_samples,) at 16 kHz; empty if none is kept."""
        with self._lock:
            packed, parts = list(self._packed), list(self._parts)
        unpacked = [clip_to_int16(decode(io.BytesIO(file))) for file in packed]
        return np.concatenate([np.zeros(0, np.int16), *unpacked, *parts])
