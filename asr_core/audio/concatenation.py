"""The recordings that one file holds, one behind the other.

FFmpeg reads a chained Ogg file up to the first link that is of another kind, of WAV files put
together the first, and of a WAV file whose header is wrong as much as that says.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

__all__ = ["FileSection", "find_sections"]

_MOST_PARTS = 1000
"""Each is opened by itself; of more the last are read as one."""

_MOST_LOOKS = 1_000_000
"""Pages of an hour-long film are a tenth of it; a file may be made of tiny ones."""

_STREAMED_BYTES = 2**31 - 2**17
"""Programs that write to a pipe announce this much or more: they cannot know."""

_SPARE_BYTES = 4096
"""Behind the sound there may be as much that is no sound."""

_WAVES = (b"RIFF", b"RF64", b"BW64")
_TAGS = (b"ID3", b"TAG", b"APETAGEX")


@dataclass(frozen=True)
class FileSection:
    """The bytes from ``start`` up to ``end``, which FFmpeg can read at once.

    Attributes:
        end: None for that of the file, if it is the only part.
        missing_bytes: of sound that the header announces, what is not there.
        is_cut: the file ends in the middle of a block.
        is_sound_to_the_end: whatever its header says.
    """

    start: int = 0
    end: int | None = None
    missing_bytes: int = 0
    is_cut: bool = False
    is_sound_to_the_end: bool = False


def find_sections(file: BinaryIO, check_cancelled: Callable[[], None]) -> list[FileSection]:
    """Return the parts of a file, at least one; of most kinds of file it is the whole.

    Args:
        check_cancelled: called many times a second; what it raises is passed on.
    """
    if not file.seekable():
        return [FileSection()]
    blocks = _Blocks(file, check_cancelled)
    walk = {b"OggS": _ogg_parts, **dict.fromkeys(_WAVES, _wave_parts)}.get(blocks.read(0, 4))
    parts = list(itertools.islice(walk(blocks), _MOST_PARTS)) if walk else [FileSection()]
    file.seek(0)
    return [*parts[:-1], replace(parts[-1], end=blocks.size)] if len(parts) > 1 else parts


class _Blocks:
    """A file that is looked at here and there, not for ever."""

    def __init__(self, file: BinaryIO, check_cancelled: Callable[[], None]) -> None:
        self._file, self._check_cancelled = file, check_cancelled
        self._n_left = _MOST_LOOKS
        self.size = file.seek(0, os.SEEK_END)

    def read(self, at: int, size: int) -> bytes:
        """Return up to ``size`` bytes at a place; none after too many looks."""
        self._check_cancelled()
        self._n_left -= 1
        if self._n_left < 0:
            return b""
        self._file.seek(at)
        return self._file.read(size)


def _ogg_parts(blocks: _Blocks) -> Iterator[FileSection]:
    """Yield the links of a chain: each begins with the first pages of its streams."""
    start = at = 0
    begins = True
    while (page := blocks.read(at, 27 + 255))[:4] == b"OggS":
        is_first = bool(page[5:6] and page[5] & 2)
        if is_first and not begins:
            yield FileSection(start, at)
            start = at
        begins = is_first
        n_lengths = page[26] if len(page) > 26 else 255
        at += 27 + n_lengths + sum(page[27 : 27 + n_lengths])
        if at > blocks.size:
            yield FileSection(start, is_cut=True)
            return
    yield FileSection(start)


def _wave_parts(blocks: _Blocks) -> Iterator[FileSection]:
    start: int | None = 0
    while start is not None:
        part, start = _wave(blocks, start)
        yield part


def _is_wave(blocks: _Blocks, at: int) -> bool:
    magic = blocks.read(at, 12)
    return magic[:4] in _WAVES and magic[8:] == b"WAVE"


def _wave(blocks: _Blocks, start: int) -> tuple[FileSection, int | None]:
    """Return a WAV file, and where the one behind it begins."""
    at, long_size = start + 12, 0
    riff_size = int.from_bytes(blocks.read(start + 4, 4), "little")
    while _is_wave(blocks, start) and len(header := blocks.read(at, 8)) == 8:
        kind, length = struct.unpack("<4sI", header)
        at += 8
        if kind == b"ds64":
            long_size = int.from_bytes(blocks.read(at + 8, 8), "little")
        if kind == b"data":
            missing = at + length - blocks.size
            if length == 0xFFFFFFFF and long_size:
                missing = at + long_size - blocks.size
            elif length == 0 or (length >= _STREAMED_BYTES and missing > 0):
                return FileSection(start), None
            if missing > 0:
                is_likely = long_size or length <= riff_size < _STREAMED_BYTES
                return FileSection(start, missing_bytes=missing if is_likely else 0), None
            return _behind_sound(blocks, start, blocks.size + missing)
        at += length + length % 2
    return FileSection(start), None


def _behind_sound(blocks: _Blocks, start: int, end: int) -> tuple[FileSection, int | None]:
    """Tell from what follows the announced end of the sound whether that is the end."""
    at = end if _is_wave(blocks, end) else end + end % 2
    while len(header := blocks.read(at, 8)) == 8:
        if _is_wave(blocks, at):
            return FileSection(start, at), at
        kind, length = struct.unpack("<4sI", header)
        rest = blocks.size - at - 8
        is_chunk = kind.isascii() and kind.decode().isprintable() and length <= rest
        if kind.startswith(_TAGS) or (not is_chunk and rest < _SPARE_BYTES):
            break
        if not is_chunk:
            return FileSection(start, is_sound_to_the_end=True), None
        at += 8 + length + length % 2
    return FileSection(start), None
