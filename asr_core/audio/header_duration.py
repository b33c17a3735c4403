"""Durations that file headers declare, as opposed to FFmpeg's estimates from the bit rate."""

from __future__ import annotations

import re
from typing import BinaryIO

from av import AudioStream
from av.container import InputContainer

from asr_core.audio.id3 import id3_size
from asr_core.audio.sections import FileSection

__all__ = ["declared_audio_end_s", "declared_file_end_s", "estimate_duration_s", "format_name"]

_STREAM_DURATION_FORMATS = frozenset({
    "ape", "aiff", "au", "caf", "flac", "mov", "rm", "tak", "tta", "w64", "wv",
})  # fmt: skip
"""Formats whose header declares the duration of each stream."""

_PLAIN_FORMATS = frozenset({"caf", "w64", "wav"})
"""Formats of audio alone: the bytes that are missing from them tell how long it is."""

_FILE_DURATION_FORMATS = frozenset({"asf", "flv", "matroska", "mov", "rm"})
"""Formats whose header declares the duration of the whole file, video included."""

_MATROSKA_DURATION = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
_XING = re.compile(
    rb"\xff([\xe0-\xff])(.).(?:.{9}|.{17}|.{32})(?:..)?"
    rb"(?:Xing|Info)...[\x01\x03\x05\x07\x09\x0b\x0d\x0f](....)",
    re.DOTALL,
)
"""First frame of an MP3 file: its MPEG version, its sample rate, and the number of frames."""

_MPEG1_RATES_HZ = (44_100, 48_000, 32_000)
_MPEG_RATE_SHIFTS = {3: 0, 2: 1, 0: 2}  # MPEG-2 halves the rates, MPEG-2.5 quarters them

_XING_SEARCH_BYTES = 4096


def format_name(container: InputContainer) -> str:
    """Return FFmpeg's first name for the container format."""
    return container.format.name.partition(",")[0]


def declared_audio_end_s(
    container: InputContainer,
    stream: AudioStream,
    section: FileSection,
    file: BinaryIO,
    decoded_s: float,
) -> float | None:
    """Return the end of the audio as the header declares it; None if it declares none.

    Args:
        container: opened by FFmpeg.
        stream: one audio stream of it.
        section: the part of the file that it was opened from.
        file: for MP3, whose own header FFmpeg does not show.
        decoded_s: seconds of audio that could be decoded.
    """
    name = format_name(container)
    codec = stream.codec_context  # None without a decoder
    bit_rate = (codec.bit_rate if codec else None) or container.bit_rate
    if section.missing_bytes and bit_rate and name in _PLAIN_FORMATS:
        return decoded_s + section.missing_bytes * 8 / bit_rate
    if name in _STREAM_DURATION_FORMATS:
        return _stream_duration_s(stream)
    if name == "matroska":
        tag = next((v for k, v in stream.metadata.items() if k.startswith("DURATION")), "")
        if match := _MATROSKA_DURATION.match(tag):
            hours, minutes, seconds = match.groups()
            return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
        return _file_duration_s(container) if len(container.streams) == 1 else None
    if name == "mp3":
        return _mp3_duration_s(file, section.start)
    return None


def declared_file_end_s(container: InputContainer, origin_s: float) -> float | None:
    """Return the end of the whole file, video included, as the header declares it.

    Args:
        container: opened by FFmpeg.
        origin_s: time stamp of the start of the file's clock.
    """
    duration_s = _file_duration_s(container)
    if format_name(container) not in _FILE_DURATION_FORMATS or not duration_s:
        return None
    return max(0.0, (container.start_time or 0) / 1e6 - origin_s) + duration_s


def estimate_duration_s(container: InputContainer, stream: AudioStream) -> float | None:
    """Return the approximate duration of the audio, good enough for a progress bar."""
    return _stream_duration_s(stream) or _file_duration_s(container)


def _stream_duration_s(stream: AudioStream) -> float | None:
    if not stream.duration or not stream.time_base:
        return None
    return float(stream.duration * stream.time_base)


def _file_duration_s(container: InputContainer) -> float | None:
    return container.duration / 1e6 if container.duration else None


def _mp3_duration_s(file: BinaryIO, start: int) -> float | None:
    """Return the duration from the number of frames in the Xing header; None without one."""
    if not file.seekable():
        return None
    file.seek(start)
    file.seek(start + id3_size(file.read(10)))
    match = _XING.search(file.read(_XING_SEARCH_BYTES))
    if match is None:
        return None
    shift, rate_index = _MPEG_RATE_SHIFTS.get(match[1][0] >> 3 & 3), match[2][0] >> 2 & 3
    if shift is None or rate_index == len(_MPEG1_RATES_HZ):  # reserved values
        return None
    samples_per_frame = 576 if shift else 1152
    return int.from_bytes(match[3]) * samples_per_frame / (_MPEG1_RATES_HZ[rate_index] >> shift)
