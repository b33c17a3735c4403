"""How long a file says that its sound is; not what FFmpeg guesses from the bit rate."""

from __future__ import annotations

import re
from typing import BinaryIO

from av import AudioStream
from av.container import InputContainer

from asr_core.audio.concatenation import FileSection

__all__ = ["declared_audio_end_s", "declared_file_end_s", "estimate_duration_s", "format_name"]

_OF_STREAMS = frozenset({"ape", "aiff", "au", "caf", "flac", "mov", "tak", "tta", "w64", "wv"})
"""Formats whose header tells the length of each stream."""

_OF_FILES = frozenset({"asf", "flv", "matroska", "mov"})
"""Formats whose header tells the length of the whole, pictures included."""

_TAG = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
_XING = re.compile(rb"(?:Xing|Info)...([\x01\x03\x05\x07\x09\x0b\x0d\x0f])(....)", re.DOTALL)
_LONGEST_HEADER = 4096


def format_name(container: InputContainer) -> str:
    """Return FFmpeg's first name for the format."""
    return container.format.name.partition(",")[0]


def declared_audio_end_s(
    container: InputContainer, stream: AudioStream, part: FileSection, file: BinaryIO, read_s: float
) -> float | None:
    """Return where the sound ends by the word of its header; None if there is no such word.

    Args:
        read_s: how much of it there was.
    """
    name = format_name(container)
    if part.missing_bytes and container.bit_rate:
        return read_s + part.missing_bytes * 8 / container.bit_rate
    if name in _OF_STREAMS:
        return _stream_s(stream)
    if name == "matroska":
        tag = next((v for k, v in stream.metadata.items() if k.startswith("DURATION")), "")
        if found := _TAG.match(tag):
            hours, minutes, seconds = found.groups()
            return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
        return _file_s(container) if len(container.streams) == 1 else None
    if name == "mp3":
        return _mp3_s(file, part.start, stream.rate)
    return None


def declared_file_end_s(container: InputContainer, origin_s: float) -> float | None:
    """Return where the whole file ends by the word of its header, pictures included."""
    length_s = _file_s(container)
    if format_name(container) not in _OF_FILES or not length_s:
        return None
    return max(0.0, (container.start_time or 0) / 1e6 - origin_s) + length_s


def estimate_duration_s(container: InputContainer, stream: AudioStream) -> float | None:
    """Return where the sound ends about, to show how far it was read."""
    return _stream_s(stream) or _file_s(container)


def _stream_s(stream: AudioStream) -> float | None:
    if not stream.duration or not stream.time_base:
        return None
    return float(stream.duration * stream.time_base)


def _file_s(container: InputContainer) -> float | None:
    return container.duration / 1e6 if container.duration else None


def _mp3_s(file: BinaryIO, start: int, rate_hz: int) -> float | None:
    """Return what the first frame says of how many there are."""
    if not file.seekable():
        return None
    file.seek(start)
    header = file.read(10)
    if header[:3] == b"ID3":
        size = 0
        for byte in header[6:10]:
            size = size << 7 | byte & 0x7F
        start += 10 + size
    file.seek(start)
    found = _XING.search(file.read(_LONGEST_HEADER))
    samples = 1152 if rate_hz >= 32_000 else 576  # of a frame of MPEG-1, MPEG-2
    return int.from_bytes(found[2]) * samples / rate_hz if found and rate_hz else None
