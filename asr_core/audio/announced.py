"""How long a file says that its sound is; not what FFmpeg guesses from the bit rate."""

from __future__ import annotations

import re
from typing import BinaryIO

from av import AudioStream
from av.container import InputContainer

from asr_core.audio.parts import Part

__all__ = ["announced_end_s", "format_of", "guessed_end_s", "header_end_s"]

_OF_STREAMS = frozenset(
    {"ape", "aiff", "au", "caf", "flac", "mov", "rm", "tak", "tta", "w64", "wv"}
)
"""Formats whose header tells the length of each stream."""

_OF_FILES = frozenset({"asf", "flv", "matroska", "mov", "rm"})
"""Formats whose header tells the length of the whole, pictures included."""

_TAG = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
_XING = re.compile(
    rb"\xff([\xe0-\xff])(.).(?:.{9}|.{17}|.{32})(?:..)?"
    rb"(?:Xing|Info)...[\x01\x03\x05\x07\x09\x0b\x0d\x0f](....)",
    re.DOTALL,
)
"""The first frame of MP3: its version, its rate, and how many frames there are."""

_MP3_RATES_HZ = (44_100, 48_000, 32_000)
_MP3_SHIFTS = {3: 0, 2: 1, 0: 2}  # of MPEG-1, 2 and 2.5: halves of the rates
_LONGEST_HEADER = 4096


def format_of(container: InputContainer) -> str:
    """Return FFmpeg's first name for the format."""
    return container.format.name.partition(",")[0]


def announced_end_s(
    container: InputContainer, stream: AudioStream, part: Part, file: BinaryIO, read_s: float
) -> float | None:
    """Return where the sound ends by the word of its header; None if there is no such word.

    Args:
        read_s: how much of it there was.
    """
    name = format_of(container)
    context = stream.codec_context  # None where there is no decoder
    bit_rate = (context.bit_rate if context else None) or container.bit_rate
    if part.missing_bytes and bit_rate:
        return read_s + part.missing_bytes * 8 / bit_rate
    if name in _OF_STREAMS:
        return _stream_s(stream)
    if name == "matroska":
        tag = next((v for k, v in stream.metadata.items() if k.startswith("DURATION")), "")
        if found := _TAG.match(tag):
            hours, minutes, seconds = found.groups()
            return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
        return _file_s(container) if len(container.streams) == 1 else None
    if name == "mp3":
        return _mp3_s(file, part.start)
    return None


def header_end_s(container: InputContainer, origin_s: float) -> float | None:
    """Return where the whole file ends by the word of its header, pictures included."""
    length_s = _file_s(container)
    if format_of(container) not in _OF_FILES or not length_s:
        return None
    return max(0.0, (container.start_time or 0) / 1e6 - origin_s) + length_s


def guessed_end_s(container: InputContainer, stream: AudioStream) -> float | None:
    """Return where the sound ends about, to show how far it was read."""
    return _stream_s(stream) or _file_s(container)


def _stream_s(stream: AudioStream) -> float | None:
    if not stream.duration or not stream.time_base:
        return None
    return float(stream.duration * stream.time_base)


def _file_s(container: InputContainer) -> float | None:
    return container.duration / 1e6 if container.duration else None


def _mp3_s(file: BinaryIO, start: int) -> float | None:
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
    if found is None:
        return None
    shift, rate = _MP3_SHIFTS.get(found[1][0] >> 3 & 3), found[2][0] >> 2 & 3
    if shift is None or rate == 3:  # reserved
        return None
    samples = 576 if shift else 1152  # of a frame
    return int.from_bytes(found[3]) * samples / (_MP3_RATES_HZ[rate] >> shift)
