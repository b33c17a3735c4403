"""Small recordings: bursts of noise at chosen times, several tracks, frames of WebRTC."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.pcm import clip_to_int16

__all__ = [
    "EMPTY",
    "bursts",
    "growing_noise",
    "onset_times",
    "recorded",
    "webrtc_frames",
    "with_edits",
    "with_tracks",
]

Samples = NDArray[np.float32]

_VIDEO_RATE = 10
_PICTURES = {"webm": "libvpx", "flv": "flv"}
_BLOCK = SAMPLE_RATE_HZ // 100
_AAC_PRIMING = 1024  # samples before the audio

EMPTY = -1.0
"""Start of an edit in which nothing is played."""


def bursts(seconds: int, rate: int = 48_000) -> Samples:
    """Return a fifth of a second of noise at the beginning of each of ``seconds``."""
    noise = np.random.default_rng(seconds).normal(0, 0.2, (seconds, rate)).astype(np.float32)
    noise[:, rate // 5 :] = 0
    return noise.reshape(-1)


def onset_times(samples: Samples) -> list[float]:
    """Return the times at which audio starts after a tenth of a second of silence."""
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
    """Return a file with each of ``parts`` at its time, and video between the times ``picture``."""
    file = io.BytesIO()
    kept = {"avoid_negative_ts": "disabled", **(options or {})}
    with av.open(file, "w", format=container, options=kept) as out:
        audio = out.add_stream(codec, rate=rate, layout=layout, options=codec_options or {})
        audio.bit_rate, audio.time_base = 64_000, Fraction(1, rate)
        packets: list[av.Packet] = []
        if picture is not None:
            packets += _shown(out, _PICTURES.get(container, "mpeg4"), *picture)
        for start_s, samples in parts:
            packets += _encoded(audio, round(start_s * rate), samples)
        packets += audio.encode(None)
        for packet in sorted(packets, key=lambda p: float(p.pts * p.time_base)):
            out.mux(packet)
    return file.getvalue()


def growing_noise(container: str, codec: str, *, gap_s: float = 0.0, **options: str) -> io.BytesIO:
    """Return five seconds of growing noise with a gap after two."""
    rate = 48_000
    noise = np.random.default_rng(0).normal(0, 3000, 5 * rate) * np.linspace(0, 1, 5 * rate) ** 2
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono", options=options)
        resampler = av.AudioResampler(stream.codec_context.format, "mono", rate)
        packets = []
        for at in range(0, len(noise), 960):
            piece = noise[np.newaxis, at : at + 960].astype(np.int16)
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            packets += [
                packet for each in resampler.resample(frame) for packet in stream.encode(each)
            ]
        for packet in [*packets, *stream.encode(None)]:
            if packet.pts * packet.time_base > 2:
                packet.pts = packet.dts = packet.pts + int(gap_s / packet.time_base)
            out.mux(packet)
    file.seek(0)
    return file


def webrtc_frames(samples: Samples) -> list[av.AudioFrame]:
    """Return (n_samples,) at 16 kHz as WebRTC delivers it: 20 ms of s16 stereo at 48 kHz."""
    out = []
    at_48k = np.repeat(samples, 3)
    for at in range(0, len(at_48k) - 959, 960):
        part = clip_to_int16(np.repeat(at_48k[at : at + 960], 2))
        frame = av.AudioFrame.from_ndarray(part[None], format="s16", layout="stereo")
        frame.sample_rate = 48_000
        out.append(frame)
    return out


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
    """Return a file with these audio tracks of 16 kHz, their packets interleaved.

    Args:
        tracks: (n_samples,), or (2, n_samples) for stereo, with title, language, disposition.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        streams, signals = [], [np.atleast_2d(samples) for samples, _ in tracks]
        for audio, (_, about) in zip(signals, tracks, strict=True):
            layout = "mono" if len(audio) == 1 else "stereo"
            stream = out.add_stream(codec, rate=SAMPLE_RATE_HZ, layout=layout)
            stream.metadata.update({k: v for k, v in about.items() if k != "disposition"})
            stream.disposition = about.get("disposition", Disposition(0))
            streams.append(stream)
        for at in range(0, max(audio.shape[1] for audio in signals), 4096):
            for stream, audio in zip(streams, signals, strict=True):
                data = clip_to_int16(audio[:, at : at + 4096]).T.reshape(1, -1)
                if data.size:
                    frame = av.AudioFrame.from_ndarray(data.copy(), "s16", stream.layout.name)
                    frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, at
                    out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode(None))
    return file


def with_edits(mp4: bytes, *edits: tuple[float, float], version: int = 0) -> bytes:
    """Return an MP4 file of :func:`recorded` with these edits of its one track, of AAC at 48 kHz.

    Args:
        mp4: the file.
        edits: duration of each, and its start in the track, seconds.
        version: of the list: 0, or 1 for numbers of 64 bits.
    """
    layout = ">QqHH" if version else ">IiHH"
    starts = [-1 if at == EMPTY else _AAC_PRIMING + round(48_000 * at) for _, at in edits]
    entries = [
        struct.pack(layout, round(1000 * s), at, 1, 0)
        for (s, _), at in zip(edits, starts, strict=True)
    ]
    body = struct.pack(">II", version << 24, len(entries)) + b"".join(entries)
    boxes = struct.pack(">I4sI4s", 16 + len(body), b"edts", 8 + len(body), b"elst") + body
    data = bytearray(mp4)
    assert data.index(b"mdat") < data.index(b"moov")  # so that no audio moves
    at = data.index(b"edts") - 4
    (n_old,) = struct.unpack_from(">I", data, at)
    for kind in (b"moov", b"trak"):
        place = data.index(kind, data.index(b"moov")) - 4
        (length,) = struct.unpack_from(">I", data, place)
        struct.pack_into(">I", data, place, length + len(boxes) - n_old)
    data[at : at + n_old] = boxes
    return bytes(data)
