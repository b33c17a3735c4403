"""Samples in memory with the interface of an audio file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import BLOCK_S
from asr_core.audio.file_messages import display_name
from asr_core.audio.tracks import AudioTrack
from asr_core.errors import AudioError

__all__ = ["AudioSamples"]

Samples = NDArray[np.float32]


class AudioSamples:
    """Recording in memory, with the interface of :class:`asr_core.audio.decode.AudioFile`.

    Iterating yields views of at most ten seconds.

    Args:
        samples: (n_samples,) float32, mono 16 kHz, full scale at ±1.
        name: the recording's name in messages.
        check_cancelled: called before each block; what it raises is passed on.

    Raises:
        AudioError: there are no samples.
        TypeError: ``samples`` is not (n_samples,) float32.
    """

    def __init__(
        self,
        samples: Samples,
        name: str | None = None,
        *,
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> None:
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise TypeError(
                f"samples must be (n_samples,) float32, not {samples.shape} {samples.dtype}"
            )
        self.name = display_name(samples, name or "the recording")
        if not len(samples):
            raise AudioError(f"{self.name} holds no sound.")
        self._samples, self._check_cancelled = samples, check_cancelled
        self.notes: list[str] = []
        self.tracks: tuple[AudioTrack, ...] = ()
        self.channels: tuple[str, ...] = ()
        self.duration_s: float | None = len(samples) / SAMPLE_RATE_HZ

    def __iter__(self) -> Iterator[Samples]:
        n_block = round(BLOCK_S * SAMPLE_RATE_HZ)
        for at in range(0, len(self._samples), n_block):
            self._check_cancelled()
            yield self._samples[at : at + n_block]
