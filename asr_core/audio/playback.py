"""FLAC copy of a file's audio, for files that browsers cannot play or seek exactly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import AudioFile
from asr_core.audio.pcm import clip_to_int16

__all__ = ["is_browser_playable", "write_flac_copy"]

_BROWSER_CODECS = {
    "flac": {"flac"},
    "matroska": {"aac", "flac", "mp3", "opus", "vorbis"},
    "mov": {"aac", "flac", "mp3", "opus"},
    "mp3": {"mp3"},
    "ogg": {"flac", "opus", "vorbis"},
    "wav": {"pcm_alaw", "pcm_f32le", "pcm_mulaw", "pcm_s16le", "pcm_s24le", "pcm_u8"},
}
"""Codecs by format that Chromium plays and seeks exactly. In bare AAC it estimates positions from
the bit rate."""

_GAP_CHECKED_FORMATS = frozenset({"matroska", "mov", "ogg"})

_MIN_GAP_S = 0.05
"""More than rounded time stamps or a long Vorbis block account for."""


def is_browser_playable(audio: AudioFile) -> bool:
    """Return True if browsers play the file on the transcript's clock; reads all of it.

    Browsers play the first audio track. In MP3 Chromium estimates positions from the bit rate, so
    only a constant one will do. It skips gaps while playing, but not when seeking; a file with
    video is left to it all the same.
    """
    format_name, codec = audio.format_and_codec
    if (
        codec not in _BROWSER_CODECS.get(format_name, ())
        or not audio.is_single_recording
        or audio.track != 1
    ):
        return False
    try:
        if format_name == "mp3":
            return _has_constant_size(packet.size for packet in audio.packets())
        return format_name not in _GAP_CHECKED_FORMATS or audio.has_video or not _has_gaps(audio)
    except (av.error.FFmpegError, OSError, ValueError):
        return True  # the part before the damage is as good as its copy


def _has_constant_size(sizes: Iterable[int]) -> bool:
    """Return True if all frames are of one size, up to a byte of padding."""
    known = list(sizes)[1:-2]  # a header; a cut frame; the flush packet
    return not known or max(known) - min(known) <= 1


def _has_gaps(audio: AudioFile) -> bool:
    """Return True if a packet, or the first one, comes later than the usual step between packets.

    Chromium cannot seek past the audio's own length in MP4.
    """
    if audio.has_pauses:
        return True
    at_s = [0.0]
    at_s += [
        float(packet.pts * packet.time_base)
        for packet in audio.packets()
        if packet.pts is not None and packet.time_base is not None
    ]
    steps_s = np.diff(at_s)
    return bool(len(steps_s)) and float(steps_s.max() - np.median(steps_s)) > _MIN_GAP_S


def write_flac_copy(audio: AudioFile, file: BinaryIO, end_s: float | None = None) -> None:
    """Write the audio up to ``end_s`` as FLAC, mono 16 kHz, starting at 0 of the file's clock.

    Raises:
        AudioError: the file cannot be read.
    """
    n_left = None if end_s is None else round(end_s * SAMPLE_RATE_HZ)
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono")
        for samples in audio:
            for at in range(0, len(samples[:n_left]), SAMPLE_RATE_HZ):
                container.mux(stream.encode(_frame(samples[:n_left][at : at + SAMPLE_RATE_HZ])))
            if n_left is not None:
                n_left -= len(samples)
                if n_left <= 0:
                    break
        container.mux(stream.encode(None))


def _frame(samples: NDArray[np.float32]) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(
        clip_to_int16(samples[np.newaxis]), format="s16", layout="mono"
    )
    frame.sample_rate = SAMPLE_RATE_HZ
    return frame
