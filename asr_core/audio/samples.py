"""Samples in memory with the interface of an audio file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import BLOCK_S
from asr_core.audio.file_messages import display_name
from asr_core.audio.pcm import to_float32
from asr_core.audio.tracks import AudioTrack
from asr_core.errors import AudioError

__all__ = ["AudioSamples"]

Samples = NDArray[np.float32] | NDArray[np.int16]


class AudioSamples:
    """Recording in memory, with the interface of :class:`asr_core.audio.decode.AudioFile`.

    Iterating yields float32 blocks of at most ten seconds.

    Args:
        samples: (n_samples,) float32 with full scale at ±1, or int16; mono 16 kHz.
        name: the recording's name in messages.
        check_cancelled: called before each block; what it raises is passed on.

    Raises:
        AudioError: there are no samples.
        TypeError: ``samples`` is not (n_samples,) float32 or int16.
    """

    def __init__(
        self,
        samples: Samples,
        name: str | None = None,
        *,
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> None:
        if samples.ndim != 1 or samples.dtype not in (np.float32, np.int16):
            raise TypeError(
                "samples must be (n_samples,) float32 or int16, "
                f"not {samples.shape} {samples.dtype}"
            )
        self.name = display_name(samples, name or "the recording")
        if not len(samples):
            raise AudioError(f"{self.name} holds no sound.")
        self._samples, self._check_cancelled = samples, check_cancelled
        self.notes: list[str] = []
        self.tracks: tuple[AudioTrack, ...] = ()
        self.channels: tuple[str, ...] = ()
        self.duration_s: float | None = len(samples) / SAMPLE_RATE_HZ

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        n_block = round(BLOCK_S * SAMPLE_RATE_HZ)
        for at in range(0, len(self._samples), n_block):
            self._check_cancelled()
            yield to_float32(self._samples[at : at + n_block])
