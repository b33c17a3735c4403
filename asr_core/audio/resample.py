"""Conversion of audio frames of any rate, layout and sample format to 16 kHz float32."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.downmix import Downmix

__all__ = [
    "RATES_HZ",
    "ChannelResampler",
    "ChannelSplitter",
    "RateConverter",
    "Resampler",
    "frame_channels",
]

Samples = NDArray[np.float32]

RATES_HZ = range(1000, 1_000_001)
"""Plausible sample rates of a recording; any other comes from a damaged header."""

SEAM_S = 0.01
"""Audio exchanged at a change of rate; longer than the filter, 32 samples of the lower rate."""

_MIN_MERGED_PLANES = 8

_EMPTY: Samples = np.zeros(0, np.float32)


def frame_channels(frame: av.AudioFrame) -> Samples:
    """Return the samples of ``frame``, one row per channel.

    Returns:
        (n_channels, n_samples) float32 at the frame's own rate, full scale ±1. Samples
        that are NaN become 0, infinite ones full scale.
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


class ChannelSplitter:
    """Splitter of frames of any format into channels; for one thread at a time."""

    def __init__(self) -> None:
        self._merger: tuple[object, av.AudioResampler] | None = None

    def push(self, frame: av.AudioFrame) -> Samples:
        """Return (n_channels, n_samples) of ``frame``; see :func:`frame_channels`."""
        return frame_channels(self._merge_planes(frame))

    def _merge_planes(self, frame: av.AudioFrame) -> av.AudioFrame:
        """Return the frame with interleaved samples: PyAV 18.1 crashes on eight or more planes."""
        if not frame.format.is_planar or frame.layout.nb_channels < _MIN_MERGED_PLANES:
            return frame
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._merger is None or self._merger[0] != kind:
            merge = av.AudioResampler("flt", frame.layout, frame.sample_rate)
            self._merger = (kind, merge)
        [merged] = self._merger[1].resample(frame)
        return merged


class Resampler:
    """Streaming conversion to mono 16 kHz float32; for one thread at a time.

    Channels are mixed before the rate changes, so a change of layout or sample format within
    the stream is inaudible; see :class:`RateConverter`.
    """

    def __init__(self) -> None:
        self._splitter = ChannelSplitter()
        self._downmix_key: object = None
        self._downmix: Downmix | None = None
        self._converter = RateConverter()

    def push(self, frame: av.AudioFrame) -> Samples:
        """Return the (n_samples,) that are ready after this frame, maybe none."""
        mono = self.downmix(self._splitter.push(frame), frame)
        return self._converter.push(mono, frame.sample_rate)

    def flush(self) -> Samples:
        """Return the end of the filter's output, when the stream has ended."""
        return self._converter.flush()

    def downmix(self, channels: Samples, frame: av.AudioFrame) -> Samples:
        """Return the ``channels`` of ``frame`` mixed to one, (n_samples,)."""
        if len(channels) == 1:
            return channels.reshape(-1)
        kind = (frame.layout.name, frame.sample_rate)
        if self._downmix is None or self._downmix_key != kind:
            names = [channel.name for channel in frame.layout.channels]
            self._downmix_key, self._downmix = kind, Downmix(names, frame.sample_rate)
        return self._downmix.push(channels)


class ChannelResampler:
    """Streaming conversion of each channel to 16 kHz; for one thread at a time.

    Where a stream changes to another number of channels, their mix goes to the first one.

    Args:
        n_channels: the number of output channels.
    """

    def __init__(self, n_channels: int) -> None:
        self._splitter, self._mono_resampler = ChannelSplitter(), Resampler()
        self._converters = [RateConverter() for _ in range(n_channels)]

    def push(self, frame: av.AudioFrame) -> Samples:
        """Return the (n_channels, n_samples) that are ready after this frame, maybe none."""
        channels = self._splitter.push(frame)
        if len(channels) != len(self._converters):
            mono = self._mono_resampler.downmix(channels, frame)
            channels = np.zeros((len(self._converters), len(mono)), np.float32)
            channels[0] = mono
        pairs = zip(self._converters, channels, strict=True)
        return np.stack([converter.push(each, frame.sample_rate) for converter, each in pairs])

    def flush(self) -> Samples:
        """Return the end of the filters' output, when the stream has ended."""
        return np.stack([converter.flush() for converter in self._converters])


class RateConverter:
    """Streaming conversion of one channel of any rate to 16 kHz; for one thread at a time.

    At a change of rate both filters get the audio on both sides of the seam, so nothing clicks.
    The output has as many samples as its duration requires, to half a sample, so nothing
    drifts. Overshoots are clipped.
    """

    def __init__(self) -> None:
        self._rate = 0
        self._filter: av.AudioResampler | None = None
        self._recent: Samples = _EMPTY  # the last input, at its own rate
        self._seconds_at_other_rates = Fraction(0)  # input at earlier rates
        self._n_in = 0  # at this rate
        self._n_out = 0
        self._n_to_skip = 0  # output for the audio before the seam

    def push(self, mono: Samples, rate_hz: int) -> Samples:
        """Return the samples at 16 kHz that are ready after (n_samples,) float32, maybe none."""
        if not len(mono):
            return _EMPTY
        mono = np.clip(mono, -1, 1)
        drained = self._change_rate(rate_hz, mono) if rate_hz != self._rate else _EMPTY
        self._n_in += len(mono)
        self._recent = np.concatenate([self._recent, mono])[-int(SEAM_S * self._rate) :]
        out = mono if self._filter is None else self._skip(self._filter_samples(self._filter, mono))
        self._n_out += len(out)
        return np.concatenate([drained, out]) if len(drained) else out

    def flush(self) -> Samples:
        """Return the end of the filter's output, when the stream has ended."""
        return self._drain(_EMPTY)

    def _change_rate(self, rate: int, following: Samples) -> Samples:
        """Drain the old filter and prime a new one; return what was drained."""
        past, future = _extrapolate_across_seam(self._recent, self._rate, following, rate)
        drained = self._drain(future)
        self._recent = past
        if self._n_in:
            self._seconds_at_other_rates += Fraction(self._n_in, self._rate)
        self._rate, self._n_in = rate, 0
        self._n_to_skip = 0
        self._filter = None
        if rate != SAMPLE_RATE_HZ:
            self._filter = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
            self._n_to_skip = round(len(past) * SAMPLE_RATE_HZ / rate)
            if len(past):
                drained = np.concatenate(
                    [drained, self._skip(self._filter_samples(self._filter, past))]
                )
        return drained

    def _drain(self, following: Samples) -> Samples:
        """Return the rest of the filter's output, as if ``following`` came next."""
        if self._filter is None:
            return _EMPTY
        ends = [self._filter_samples(self._filter, following)] if len(following) else []
        out = self._skip(np.concatenate([*ends, self._filter_samples(self._filter, None)]))
        self._filter = None
        seconds_in = self._seconds_at_other_rates + Fraction(self._n_in, self._rate)
        wanted = max(0, round(seconds_in * SAMPLE_RATE_HZ) - self._n_out)
        if len(out) < wanted:  # the filter rounds at its end
            last = out[-1] if len(out) else np.float32(0)
            out = np.concatenate([out, np.full(wanted - len(out), last, np.float32)])
        self._n_out += wanted
        return out[:wanted]

    def _skip(self, out: Samples) -> Samples:
        n_now = min(self._n_to_skip, len(out))
        self._n_to_skip -= n_now
        return out[n_now:]

    def _filter_samples(self, rate_filter: av.AudioResampler, mono: Samples | None) -> Samples:
        frame = None
        if mono is not None:
            frame = av.AudioFrame.from_ndarray(mono[np.newaxis], format="flt", layout="mono")
            frame.sample_rate = self._rate
        parts = [part.to_ndarray()[0] for part in rate_filter.resample(frame)]
        return cast(Samples, np.concatenate(parts)) if parts else _EMPTY


def _extrapolate_across_seam(
    before: Samples, old_rate: int, after: Samples, new_rate: int
) -> tuple[Samples, Samples]:
    """Return the audio around a change of rate, each side converted for the other filter.

    Returns:
        The last ``SEAM_S`` before the change at the new rate and the first ``SEAM_S`` after it
        at the old rate, linearly interpolated.
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
