"""The recordings that one file holds, one behind the other.

FFmpeg reads a chained Ogg file up to the first link that is of another kind, of WAV files put
together the first, and of a WAV file whose header is wrong as much as that says.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["Part", "parts_of"]

_MOST_PARTS = 1000
"""Each is opened by itself; of more the last are read as one."""

_STREAMED_BYTES = 2**31 - 2**17
"""Programs that write to a pipe announce this much or more: they cannot know."""

_SPARE_BYTES = 4096
"""Behind the sound there may be as much that is no sound."""

_WAVES = (b"RIFF", b"RF64", b"BW64")
_TAGS = (b"ID3", b"TAG", b"APETAGEX")


@dataclass(frozen=True)
class Part:
    """The bytes from ``start`` up to ``end``, which FFmpeg can read at once.

    Attributes:
        end: None for the end of the file.
        missing_bytes: of sound that the header announces, what is not there.
        is_cut: the file ends in the middle of a block.
        is_sound_to_the_end: whatever its header says.
    """

    start: int = 0
    end: int | None = None
    missing_bytes: int = 0
    is_cut: bool = False
    is_sound_to_the_end: bool = False


def parts_of(file: BinaryIO) -> list[Part]:
    """Return the parts of a file, at least one; of most kinds of file it is the whole."""
    if not file.seekable():
        return [Part()]
    size = file.seek(0, os.SEEK_END)
    walk = {b"OggS": _ogg_parts, **dict.fromkeys(_WAVES, _wave_parts)}.get(_read(file, 0, 4))
    parts = list(itertools.islice(walk(file, size), _MOST_PARTS)) if walk else [Part()]
    file.seek(0)
    return [*parts[:-1], Part(parts[-1].start)] if len(parts) == _MOST_PARTS else parts


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _ogg_parts(file: BinaryIO, size: int) -> Iterator[Part]:
    """Yield the links of a chain: each begins with the first pages of its streams."""
    start = at = 0
    begins = True
    while (header := _read(file, at, 27))[:4] == b"OggS":
        is_first = len(header) == 27 and bool(header[5] & 2)
        if is_first and not begins:
            yield Part(start, at)
            start = at
        begins = is_first
        at += len(header) + sum(header[26:27]) + sum(file.read(sum(header[26:27])))
        if len(header) < 27 or at > size:
            yield Part(start, is_cut=True)
            return
    yield Part(start)


def _wave_parts(file: BinaryIO, size: int) -> Iterator[Part]:
    start: int | None = 0
    while start is not None:
        part, start = _wave(file, start, size)
        yield part


def _wave(file: BinaryIO, start: int, size: int) -> tuple[Part, int | None]:
    """Return a WAV file, and where the one behind it begins."""
    at, long_size = start + 12, 0
    riff_size = int.from_bytes(_read(file, start + 4, 4), "little")
    while at + 8 <= size:
        kind, length = struct.unpack("<4sI", _read(file, at, 8))
        at += 8
        if kind == b"ds64":
            long_size = int.from_bytes(_read(file, at + 8, 8), "little")
        if kind == b"data":
            if length == 0xFFFFFFFF and long_size:
                length = long_size
            elif length == 0 or (length >= _STREAMED_BYTES and at + length > size):
                return Part(start), None
            if at + length > size:
                is_likely = long_size or length <= riff_size < _STREAMED_BYTES
                return Part(start, missing_bytes=at + length - size if is_likely else 0), None
            return _behind_sound(file, start, at + length, size)
        at += length + length % 2
    return Part(start), None


def _behind_sound(file: BinaryIO, start: int, end: int, size: int) -> tuple[Part, int | None]:
    """Tell from what follows the announced end of the sound whether that is the end."""
    at = end if _read(file, end, 4) in _WAVES else end + end % 2
    while at + 8 <= size:
        kind, length = struct.unpack("<4sI", _read(file, at, 8))
        if kind in _WAVES:
            return Part(start, at), at
        is_chunk = kind.isascii() and kind.decode().isprintable() and at + 8 + length <= size
        if kind.startswith(_TAGS) or (not is_chunk and size - at <= _SPARE_BYTES):
            break
        if not is_chunk:
            return Part(start, is_sound_to_the_end=True), None
        at += 8 + length + length % 2
    return Part(start), None
