"""Encoding of a recording in memory."""

from __future__ import annotations

import io

import av
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ

__all__ = ["to_flac"]


def to_flac(samples: NDArray[np.int16]) -> bytes:
    """Return (n_samples,) mono 16 kHz as a FLAC file: lossless, about half the size of WAV."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono")
        for start in range(0, len(samples), SAMPLE_RATE_HZ):
            block = np.ascontiguousarray(samples[np.newaxis, start : start + SAMPLE_RATE_HZ])
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
