"""A recording in memory → a file to keep."""

from __future__ import annotations

import io

import av
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ

__all__ = ["to_flac", "to_int16"]


def to_flac(samples: NDArray[np.int16]) -> bytes:
    """(n_samples,) mono 16 kHz as FLAC: lossless, at about half the size of WAV."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono")
        for at in range(0, len(samples), SAMPLE_RATE_HZ):
            piece = np.ascontiguousarray(samples[np.newaxis, at : at + SAMPLE_RATE_HZ])
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """(n_samples,) as 16-bit; all of it quieter where a peak is beyond full scale."""
    peak = float(np.abs(samples).max(initial=0.0))
    return np.round(samples * (32767 / max(peak, 1.0))).astype(np.int16)
