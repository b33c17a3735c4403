"""Audio frames of any rate, layout and sample format → mono 16 kHz float32."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ

__all__ = ["Resampler", "to_mono"]

Samples = NDArray[np.float32]

_TOO_MANY_PLANES = 8

_EMPTY: Samples = np.zeros(0, np.float32)


def to_mono(frame: av.AudioFrame) -> Samples:
    """The mean over the channels of ``frame``.

    Returns:
        (n_samples,) float32 at the frame's own rate, full scale ±1. Samples
        that are not numbers become silence, overshoots are clipped.
    """
    data: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, len(frame.layout.channels)).T
    scaled: NDArray[Any]
    if data.dtype == np.uint8:
        scaled = data.astype(np.float32) / 128 - 1
    elif np.issubdtype(data.dtype, np.integer):
        scaled = data.astype(np.float32) / 2.0 ** (8 * data.dtype.itemsize - 1)
    else:
        scaled = np.nan_to_num(data, nan=0.0, posinf=1.0, neginf=-1.0).astype(np.float32)
    mono = scaled[0] if len(scaled) == 1 else scaled.mean(axis=0, dtype=np.float32)
    return cast(Samples, np.clip(mono, -1, 1))


class Resampler:
    """Streaming conversion to mono 16 kHz float32; not for two threads at once.

    Channels are mixed before the rate changes, so a change of layout or sample
    format in mid-stream leaves no trace. A change of rate drains the old
    filter (which mirrors the signal at its ends, so nothing clicks) and starts
    a new one. The number of samples out is that of the seconds in, to half a
    sample, whatever changed on the way: nothing drifts.
    """

    def __init__(self) -> None:
        self._rate = 0
        self._filter: av.AudioResampler | None = None
        self._interleaver: tuple[object, av.AudioResampler] | None = None
        self._seconds_in = Fraction(0)
        self._n_out = 0

    def push(self, frame: av.AudioFrame) -> Samples:
        """Take one frame; return the (n_samples,) that are ready, maybe none."""
        mono = to_mono(self._interleaved(frame))
        drained = self._drain() if frame.sample_rate != self._rate else _EMPTY
        self._rate = frame.sample_rate
        self._seconds_in += Fraction(len(mono), self._rate)
        if self._rate == SAMPLE_RATE_HZ:
            out = mono
        else:
            if self._filter is None:
                self._filter = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
            out = self._run(self._as_frame(mono)) if len(mono) else _EMPTY
        self._n_out += len(out)
        return np.concatenate([drained, out]) if len(drained) else out

    def flush(self) -> Samples:
        """Return what is still in the filter, at the end of the stream."""
        return self._drain()

    def _interleaved(self, frame: av.AudioFrame) -> av.AudioFrame:
        """PyAV 18.1 crashes when it hands out eight or more planes; FFmpeg merges them."""
        if not frame.format.is_planar or frame.layout.nb_channels < _TOO_MANY_PLANES:
            return frame
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._interleaver is None or self._interleaver[0] != kind:
            merge = av.AudioResampler("flt", frame.layout, frame.sample_rate)
            self._interleaver = (kind, merge)
        [merged] = self._interleaver[1].resample(frame)
        return merged

    def _as_frame(self, mono: Samples) -> av.AudioFrame:
        frame = av.AudioFrame.from_ndarray(mono[np.newaxis], format="flt", layout="mono")
        frame.sample_rate = self._rate
        return frame

    def _run(self, frame: av.AudioFrame | None) -> Samples:
        assert self._filter is not None
        parts = [part.to_ndarray()[0] for part in self._filter.resample(frame)]
        return cast(Samples, np.concatenate(parts)) if parts else _EMPTY

    def _drain(self) -> Samples:
        if self._filter is None:
            return _EMPTY
        out = self._run(None)
        self._filter = None
        # The filter rounds at its ends; hold the count to the exact clock.
        wanted = round(self._seconds_in * SAMPLE_RATE_HZ) - self._n_out
        if wanted <= len(out):
            out = out[: max(wanted, 0)]
        elif len(out):
            out = np.pad(out, (0, wanted - len(out)), mode="edge")
        self._n_out += len(out)
        return out
