"""Small files whose sound lies where the test says: bursts of noise, one a second."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ

__all__ = ["bursts", "heard_at", "recorded", "with_tracks"]

Samples = NDArray[np.float32]

_VIDEO_RATE = 10
_PICTURES = {"webm": "libvpx", "flv": "flv"}
_BLOCK = SAMPLE_RATE_HZ // 100


def bursts(seconds: int, rate: int = 48_000) -> Samples:
    """Return a fifth of a second of noise at the beginning of each of ``seconds``."""
    noise = np.random.default_rng(seconds).normal(0, 0.2, (seconds, rate)).astype(np.float32)
    noise[:, rate // 5 :] = 0
    return noise.reshape(-1)


def heard_at(samples: Samples) -> list[float]:
    """Return the seconds at which something begins after a tenth of a second of silence."""
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    loud = np.sqrt((blocks**2).mean(1)) > 0.05
    return [i / 100 for i in range(len(loud)) if loud[i] and not loud[max(0, i - 10) : i].any()]


def recorded(
    container: str,
    codec: str,
    parts: Sequence[tuple[float, Samples]],
    *,
    rate: int = 48_000,
    layout: str = "mono",
    picture: tuple[float, float] | None = None,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
) -> bytes:
    """Return a file with each of ``parts`` at its second, and a ``picture`` from one to another."""
    file = io.BytesIO()
    kept = {"avoid_negative_ts": "disabled", **(options or {})}
    with av.open(file, "w", format=container, options=kept) as out:
        sound = out.add_stream(codec, rate=rate, layout=layout, options=codec_options or {})
        sound.bit_rate, sound.time_base = 64_000, Fraction(1, rate)
        packets: list[av.Packet] = []
        if picture is not None:
            packets += _shown(out, _PICTURES.get(container, "mpeg4"), *picture)
        for start_s, samples in parts:
            packets += _encoded(sound, round(start_s * rate), samples)
        packets += sound.encode(None)
        for packet in sorted(packets, key=lambda p: float(p.pts * p.time_base)):
            out.mux(packet)
    return file.getvalue()


def _encoded(stream: av.AudioStream, at: int, samples: Samples) -> list[av.Packet]:
    context, packets = stream.codec_context, []
    shape = av.AudioResampler(
        context.format, context.layout, context.sample_rate, context.frame_size or 1024
    )
    frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate = context.sample_rate
    for piece in [*shape.resample(frame), *shape.resample(None)]:
        piece.pts, piece.time_base = at, Fraction(1, context.sample_rate)
        at += piece.samples
        packets += stream.encode(piece)
    return packets


def _shown(
    out: av.container.OutputContainer, codec: str, start_s: float, end_s: float
) -> list[av.Packet]:
    stream = out.add_stream(codec, rate=_VIDEO_RATE)
    stream.width = stream.height = 64
    stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, _VIDEO_RATE)
    packets = []
    for i in range(round(start_s * _VIDEO_RATE), round(end_s * _VIDEO_RATE)):
        frame = av.VideoFrame.from_ndarray(np.full((96, 64), i % 250, np.uint8), "yuv420p")
        frame.pts, frame.time_base = i, Fraction(1, _VIDEO_RATE)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def with_tracks(
    tracks: Sequence[tuple[Samples, dict[str, Any]]],
    container: str = "matroska",
    codec: str = "flac",
) -> io.BytesIO:
    """Return a file with these sound tracks of 16 kHz, their packets side by side.

    Args:
        tracks: (n_samples,), or (2, n_samples) for stereo, with title, language, disposition.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        streams, sounds = [], [np.atleast_2d(samples) for samples, _ in tracks]
        for sound, (_, about) in zip(sounds, tracks, strict=True):
            layout = "mono" if len(sound) == 1 else "stereo"
            stream = out.add_stream(codec, rate=SAMPLE_RATE_HZ, layout=layout)
            stream.metadata.update({k: v for k, v in about.items() if k != "disposition"})
            stream.disposition = about.get("disposition", Disposition(0))
            streams.append(stream)
        for at in range(0, max(sound.shape[1] for sound in sounds), 4096):
            for stream, sound in zip(streams, sounds, strict=True):
                data = (sound[:, at : at + 4096] * 32767).astype(np.int16).T.reshape(1, -1)
                if data.size:
                    frame = av.AudioFrame.from_ndarray(data.copy(), "s16", stream.layout.name)
                    frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, at
                    out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode(None))
    return file
