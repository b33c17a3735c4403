"""Audio of a session, kept in memory if the user asked for it."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from asr_core.audio.pcm import clip_to_int16
from asr_core.errors import LimitError
from asr_core.ops.budget import Reservation

__all__ = ["KeptAudio"]


class KeptAudio:
    """Audio in 16 bits within a reservation of memory. Any thread may call.

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
        self._parts: list[NDArray[np.int16]] = []

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
            else:
                self._parts.append(part)

    def discard(self) -> None:
        """Free the memory and the reservation, and keep nothing from now on."""
        with self._lock:
            self._is_growing, self._parts = False, []
            if self._reservation is not None:
                self._reservation.release()

    def samples(self) -> NDArray[np.int16]:
        """Return the audio so far, (n_samples,) at 16 kHz; empty if none is kept."""
        with self._lock:
            parts = list(self._parts)
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)
