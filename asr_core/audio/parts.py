"""The recordings that one file holds, one behind the other.

FFmpeg reads a chained Ogg file up to the first link that is of another kind, of WAV files put
together the first, and of a WAV file whose header is wrong as much as that says. In AMR files
put together it takes the header of the second for sound. Of W64 and CAF files that are cut
short it does not say so.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO

__all__ = ["Part", "parts_of"]

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
_AMR = b"#!AMR"
_SEARCHED_BYTES = 2**16  # at once

_UNKNOWN_BYTES = 2**62
"""A length of as much or more means all that follows: -1 in CAF."""


@dataclass(frozen=True)
class Part:
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


def parts_of(file: BinaryIO, between: Callable[[], None]) -> list[Part]:
    """Return the parts of a file, at least one; of most kinds of file it is the whole.

    Args:
        between: called many times a second; what it raises is passed on.
    """
    if not file.seekable():
        return [Part()]
    blocks = _Blocks(file, between)
    walk = _WALKS.get(blocks.read(0, 4))
    parts = list(itertools.islice(walk(blocks), _MOST_PARTS)) if walk else [Part()]
    file.seek(0)
    return [*parts[:-1], replace(parts[-1], end=blocks.size)] if len(parts) > 1 else parts


class _Blocks:
    """A file that is looked at here and there, not for ever."""

    def __init__(self, file: BinaryIO, between: Callable[[], None]) -> None:
        self._file, self._between = file, between
        self._n_left = _MOST_LOOKS
        self.size = file.seek(0, os.SEEK_END)

    def read(self, at: int, size: int) -> bytes:
        """Return up to ``size`` bytes at a place; none after too many looks."""
        self._between()
        self._n_left -= 1
        if self._n_left < 0:
            return b""
        self._file.seek(at)
        return self._file.read(size)


def _ogg_parts(blocks: _Blocks) -> Iterator[Part]:
    """Yield the links of a chain: each begins with the first pages of its streams."""
    start = at = 0
    begins = True
    while (page := blocks.read(at, 27 + 255))[:4] == b"OggS":
        is_first = bool(page[5:6] and page[5] & 2)
        if is_first and not begins:
            yield Part(start, at)
            start = at
        begins = is_first
        n_lengths = page[26] if len(page) > 26 else 255
        at += 27 + n_lengths + sum(page[27 : 27 + n_lengths])
        if at > blocks.size:
            yield Part(start, is_cut=True)
            return
    yield Part(start)


def _wave_parts(blocks: _Blocks) -> Iterator[Part]:
    start: int | None = 0
    while start is not None:
        part, start = _wave(blocks, start)
        yield part


def _is_wave(blocks: _Blocks, at: int) -> bool:
    magic = blocks.read(at, 12)
    return magic[:4] in _WAVES and magic[8:] == b"WAVE"


def _wave(blocks: _Blocks, start: int) -> tuple[Part, int | None]:
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
                is_long = blocks.read(start, 4) != b"RIFF"  # FFmpeg believes these, even a 0
                return Part(start, is_sound_to_the_end=is_long), None
            if missing > 0:
                is_likely = long_size or length <= riff_size < _STREAMED_BYTES
                return Part(start, missing_bytes=missing if is_likely else 0), None
            return _behind_sound(blocks, start, blocks.size + missing)
        at += length + length % 2
    return Part(start), None


def _behind_sound(blocks: _Blocks, start: int, end: int) -> tuple[Part, int | None]:
    """Tell from what follows the announced end of the sound whether that is the end."""
    at = end if _is_wave(blocks, end) else end + end % 2
    while len(header := blocks.read(at, 8)) == 8:
        if _is_wave(blocks, at):
            return Part(start, at), at
        kind, length = struct.unpack("<4sI", header)
        rest = blocks.size - at - 8
        is_chunk = kind.isascii() and kind.decode().isprintable() and length <= rest
        if kind.startswith(_TAGS) or (not is_chunk and rest < _SPARE_BYTES):
            break
        if not is_chunk:
            return Part(start, is_sound_to_the_end=True), None
        at += 8 + length + length % 2
    return Part(start), None


def _amr_parts(blocks: _Blocks) -> Iterator[Part]:
    start = at = 0
    while block := blocks.read(at, _SEARCHED_BYTES):
        found = block.find(_AMR, 1)
        if found >= 0:
            at += found
            yield Part(start, at)
            start = at
        else:
            at += max(1, len(block) - len(_AMR))
    yield Part(start)


def _w64_parts(blocks: _Blocks) -> Iterator[Part]:
    return _until_sound(blocks, 40, "<4s12xQ", length_of_header=24, alignment=8)


def _caf_parts(blocks: _Blocks) -> Iterator[Part]:
    return _until_sound(blocks, 8, ">4sQ", length_of_header=0, alignment=1)


def _until_sound(
    blocks: _Blocks, at: int, form: str, length_of_header: int, alignment: int
) -> Iterator[Part]:
    """Yield the whole of a file of chunks, with what is missing of the one that is its sound.

    Args:
        at: where the first chunk begins.
        form: of a chunk's header: its kind and its length.
        length_of_header: how much of that length the header itself takes.
    """
    size = struct.calcsize(form)
    while len(header := blocks.read(at, size)) == size:
        kind, length = struct.unpack(form, header)
        end = at + size - length_of_header + length
        if kind == b"data":
            is_known = length < _UNKNOWN_BYTES
            yield Part(missing_bytes=max(0, end - blocks.size) if is_known else 0)
            return
        at = max(at + size, end + -end % alignment)
    yield Part()


_WALKS: Mapping[bytes, Callable[[_Blocks], Iterator[Part]]] = {
    b"OggS": _ogg_parts,
    **dict.fromkeys(_WAVES, _wave_parts),
    _AMR[:4]: _amr_parts,
    b"riff": _w64_parts,
    b"caff": _caf_parts,
}
"""How a file is looked through, by its first bytes."""
