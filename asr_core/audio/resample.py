"""Audio frames of any rate, layout and sample format → 16 kHz float32."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.downmix import Downmix

__all__ = ["RATES_HZ", "ChannelResampler", "RateConverter", "Resampler", "Splitter", "channels_of"]

Samples = NDArray[np.float32]

RATES_HZ = range(1000, 1_000_001)
"""Of recordings; a header that says otherwise lies."""

SEAM_S = 0.01
"""Longer than the rate filter is: 32 samples of the lower rate."""

_TOO_MANY_PLANES = 8

_EMPTY: Samples = np.zeros(0, np.float32)


def channels_of(frame: av.AudioFrame) -> Samples:
    """Return the sound of ``frame``, a row a channel.

    Returns:
        (n_channels, n_samples) float32 at the frame's own rate, full scale ±1. Samples
        that are not numbers become silence, those that are infinite full scale.
    """
    data: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, frame.layout.nb_channels).T
    channels: Samples = data.astype(np.float32)
    if data.dtype == np.uint8:
        channels /= 128
        channels -= 1
    elif np.issubdtype(data.dtype, np.integer):
        channels /= 2.0 ** (8 * data.dtype.itemsize - 1)
    else:
        np.nan_to_num(channels, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    return channels


class Splitter:
    """Frames as their channels, whatever their format; not for two threads at once."""

    def __init__(self) -> None:
        self._interleaver: tuple[object, av.AudioResampler] | None = None

    def push(self, frame: av.AudioFrame) -> Samples:
        """Return (n_channels, n_samples) of ``frame``; see :func:`channels_of`."""
        return channels_of(self._interleaved(frame))

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


class Resampler:
    """Streaming conversion to mono 16 kHz float32; not for two threads at once.

    Channels are mixed before the rate changes, so a change of layout or sample
    format in mid-stream leaves no trace; see :class:`RateConverter` for the rest.
    """

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._kind: object = None
        self._downmix: Downmix | None = None
        self._converter = RateConverter()

    def push(self, frame: av.AudioFrame) -> Samples:
        """Take one frame; return the (n_samples,) that are ready, maybe none."""
        mono = self.mixed(self._splitter.push(frame), frame)
        return self._converter.push(mono, frame.sample_rate)

    def flush(self) -> Samples:
        """Return what is still in the filter, at the end of the stream."""
        return self._converter.flush()

    def mixed(self, channels: Samples, frame: av.AudioFrame) -> Samples:
        """Return the (n_samples,) of the ``channels`` of ``frame`` together."""
        if len(channels) == 1:
            return channels.reshape(-1)
        kind = (frame.layout.name, frame.sample_rate)
        if self._downmix is None or self._kind != kind:
            names = [channel.name for channel in frame.layout.channels]
            self._kind, self._downmix = kind, Downmix(names, frame.sample_rate)
        return self._downmix.push(channels)


class ChannelResampler:
    """Streaming conversion to 16 kHz of each channel; not for two threads at once.

    Where a stream changes to another number of channels, what they hold together is in the
    first one.

    Args:
        n_channels: how many come out.
    """

    def __init__(self, n_channels: int) -> None:
        self._splitter, self._together = Splitter(), Resampler()
        self._converters = [RateConverter() for _ in range(n_channels)]

    def push(self, frame: av.AudioFrame) -> Samples:
        """Take one frame; return the (n_channels, n_samples) that are ready, maybe none."""
        channels = self._splitter.push(frame)
        if len(channels) != len(self._converters):
            mono = self._together.mixed(channels, frame)
            channels = np.zeros((len(self._converters), len(mono)), np.float32)
            channels[0] = mono
        pairs = zip(self._converters, channels, strict=True)
        return np.stack([converter.push(each, frame.sample_rate) for converter, each in pairs])

    def flush(self) -> Samples:
        """Return what is still in the filters, at the end of the stream."""
        return np.stack([converter.flush() for converter in self._converters])


class RateConverter:
    """Streaming conversion of one channel of any rate to 16 kHz; not for two threads at once.

    At a change of rate both filters hear both sides of the seam, so nothing clicks. The
    number of samples out is that of the seconds in, to half a sample, whatever changed on
    the way: nothing drifts. Overshoots are clipped.
    """

    def __init__(self) -> None:
        self._rate = 0
        self._filter: av.AudioResampler | None = None
        self._recent: Samples = _EMPTY  # the last input, at its own rate
        self._seconds_before = Fraction(0)  # those at other rates
        self._n_in = 0  # at this rate
        self._n_out = 0
        self._n_skip = 0  # of the filter's next output: what the other side of a seam gave

    def push(self, mono: Samples, rate_hz: int) -> Samples:
        """Take (n_samples,) float32; return those at 16 kHz that are ready, maybe none."""
        if not len(mono):
            return _EMPTY
        mono = np.clip(mono, -1, 1)
        drained = self._change_rate(rate_hz, mono) if rate_hz != self._rate else _EMPTY
        self._n_in += len(mono)
        self._recent = np.concatenate([self._recent, mono])[-int(SEAM_S * self._rate) :]
        out = mono if self._filter is None else self._skipped(self._run(self._filter, mono))
        self._n_out += len(out)
        return np.concatenate([drained, out]) if len(drained) else out

    def flush(self) -> Samples:
        """Return what is still in the filter, at the end of the stream."""
        return self._drain(_EMPTY)

    def _change_rate(self, rate: int, coming: Samples) -> Samples:
        """Drain the old filter and prime a new one; returns what was drained."""
        past, future = _across_seam(self._recent, self._rate, coming, rate)
        drained = self._drain(future)
        self._recent = past
        if self._n_in:
            self._seconds_before += Fraction(self._n_in, self._rate)
        self._rate, self._n_in = rate, 0
        self._n_skip = 0
        self._filter = None
        if rate != SAMPLE_RATE_HZ:
            self._filter = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
            self._n_skip = round(len(past) * SAMPLE_RATE_HZ / rate)
            if len(past):
                drained = np.concatenate([drained, self._skipped(self._run(self._filter, past))])
        return drained

    def _drain(self, coming: Samples) -> Samples:
        """The rest of the filter's output, as if ``coming`` followed."""
        if self._filter is None:
            return _EMPTY
        ends = [self._run(self._filter, coming)] if len(coming) else []
        out = self._skipped(np.concatenate([*ends, self._run(self._filter, None)]))
        self._filter = None
        seconds_in = self._seconds_before + Fraction(self._n_in, self._rate)
        wanted = max(0, round(seconds_in * SAMPLE_RATE_HZ) - self._n_out)
        if len(out) < wanted:  # the filter rounds at its end
            last = out[-1] if len(out) else np.float32(0)
            out = np.concatenate([out, np.full(wanted - len(out), last, np.float32)])
        self._n_out += wanted
        return out[:wanted]

    def _skipped(self, out: Samples) -> Samples:
        n_now = min(self._n_skip, len(out))
        self._n_skip -= n_now
        return out[n_now:]

    def _run(self, rate_filter: av.AudioResampler, mono: Samples | None) -> Samples:
        frame = None
        if mono is not None:
            frame = av.AudioFrame.from_ndarray(mono[np.newaxis], format="flt", layout="mono")
            frame.sample_rate = self._rate
        parts = [part.to_ndarray()[0] for part in rate_filter.resample(frame)]
        return cast(Samples, np.concatenate(parts)) if parts else _EMPTY


def _across_seam(
    before: Samples, old_rate: int, after: Samples, new_rate: int
) -> tuple[Samples, Samples]:
    """What each filter has to know of the other side of a change of rate.

    Returns:
        The last ``SEAM_S`` before at the new rate, the first after it at the old
        one, on straight lines between the samples.
    """
    if not len(before):
        return _EMPTY, _EMPTY
    after = after[: int(SEAM_S * new_rate)]
    times = np.concatenate(
        [np.arange(-len(before), 0) / old_rate, np.arange(len(after)) / new_rate]
    )
    values = np.concatenate([before, after])
    n_past = int(len(before) / old_rate * new_rate)
    n_future = int(len(after) / new_rate * old_rate)
    past = np.interp(np.arange(-n_past, 0) / new_rate, times, values)
    future = np.interp(np.arange(n_future) / old_rate, times, values)
    return past.astype(np.float32), future.astype(np.float32)
