"""A copy of a file's sound for browsers that cannot play the file, or not by its clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import AudioFile

__all__ = ["is_played_by_browsers", "write_copy"]

_PLAYED = {
    "flac": {"flac"},
    "matroska": {"aac", "flac", "mp3", "opus", "vorbis"},
    "mov": {"aac", "flac", "mp3", "opus"},
    "mp3": {"mp3"},
    "ogg": {"flac", "opus", "vorbis"},
    "wav": {"pcm_alaw", "pcm_f32le", "pcm_mulaw", "pcm_s16le", "pcm_s24le", "pcm_u8"},
}
"""What Chromium plays and finds its way in: codecs by format. In bare AAC it guesses places from
the bit rate."""

_STAMPED = frozenset({"matroska", "mov", "ogg"})

_OFF_S = 0.05
"""More than that is no rounding of stamps, and no longer block of Vorbis."""


def is_played_by_browsers(audio: AudioFile) -> bool:
    """Return whether a browser plays the file itself, by the clock of our times; reads it through.

    Of several sound tracks it plays the first. In MP3 Chromium guesses places from the bit rate, so that this must not change. Gaps it
    leaves out as it plays, but not as it jumps; pictures are worth more than that.
    """
    format_name, codec = audio.kind
    if codec not in _PLAYED.get(format_name, ()) or not audio.is_plain or audio.track != 1:
        return False
    try:
        if format_name == "mp3":
            return _is_even(packet.size for packet in audio.packets())
        return format_name not in _STAMPED or audio.has_picture or not _has_gaps(audio)
    except (av.error.FFmpegError, OSError, ValueError):
        return True  # the part before the damage is as good as its copy


def _is_even(sizes: Iterable[int]) -> bool:
    """Whether frames are of one size; one byte of padding makes up for fractions."""
    known = list(sizes)[1:-2]  # the first may hold a header, the last be cut; then comes the end
    return not known or max(known) - min(known) <= 1


def _has_gaps(audio: AudioFile) -> bool:
    """Whether a packet comes much later behind the one before it than they do otherwise, or
    the first one late: in MP4 Chromium finds no way to what lies behind the sound's length."""
    at_s = [0.0]
    at_s += [
        float(packet.pts * packet.time_base)
        for packet in audio.packets()
        if packet.pts is not None and packet.time_base is not None
    ]
    steps_s = np.diff(at_s)
    return bool(len(steps_s)) and float(steps_s.max() - np.median(steps_s)) > _OFF_S


def write_copy(audio: AudioFile, file: BinaryIO, end_s: float | None = None) -> None:
    """Write the sound up to ``end_s`` as FLAC, mono 16 kHz, from 0 of the file's clock on.

    Raises:
        AudioError: the file cannot be read.
    """
    left = None if end_s is None else round(end_s * SAMPLE_RATE_HZ)
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono")
        for samples in audio:
            for at in range(0, len(samples[:left]), SAMPLE_RATE_HZ):
                container.mux(stream.encode(_frame(samples[:left][at : at + SAMPLE_RATE_HZ])))
            if left is not None:
                left -= len(samples)
                if left <= 0:
                    break
        container.mux(stream.encode(None))


def _frame(samples: NDArray[np.float32]) -> av.AudioFrame:
    pcm = np.round(np.clip(samples[np.newaxis], -1.0, 1.0) * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE_HZ
    return frame
