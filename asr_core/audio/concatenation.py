"""Sections of a file that holds several recordings one after another.

FFmpeg alone reads a chained Ogg file up to the first link with another codec, only the first of
concatenated WAV files, and no more of a WAV file than its header declares. In concatenated AMR
files it decodes the header of the second as audio. It does not report W64 and CAF files that are
truncated.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO

__all__ = ["FileSection", "find_sections"]

_MAX_SECTIONS = 1000
"""Each is opened on its own; beyond that number the rest is read as one section."""

_MAX_READS = 1_000_000
"""Bounds the search: an hour-long film has a tenth as many pages, a hostile file any number."""

_MIN_PLACEHOLDER_BYTES = 2**31 - 2**17
"""A declared size from which on it is a placeholder, by programs that write to a pipe."""

_MAX_TRAILING_BYTES = 4096
"""Unknown bytes that may follow the audio without being audio."""

_WAVE_IDS = (b"RIFF", b"RF64", b"BW64")
_TAG_IDS = (b"ID3", b"TAG", b"APETAGEX")
_AMR_ID = b"#!AMR"
_SEARCH_BLOCK_BYTES = 2**16

_MIN_UNKNOWN_BYTES = 2**62
"""A 64-bit length from which on it means all that follows, such as -1 in CAF."""


@dataclass(frozen=True)
class FileSection:
    """Bytes from ``start`` up to ``end``, which FFmpeg can read as one recording.

    Attributes:
        end: None for the end of the file, if it is the only section.
        missing_bytes: audio bytes that the header declares and the file lacks.
        is_truncated: the file ends in the middle of a page.
        ignores_length: the audio goes on past the length that the header declares.
    """

    start: int = 0
    end: int | None = None
    missing_bytes: int = 0
    is_truncated: bool = False
    ignores_length: bool = False


def find_sections(file: BinaryIO, check_cancelled: Callable[[], None]) -> list[FileSection]:
    """Return the sections of a file, at least one; for most formats it is the whole file.

    Args:
        file: read from its start, and left there.
        check_cancelled: called many times a second; what it raises is passed on.
    """
    if not file.seekable():
        return [FileSection()]
    reader = _BoundedReader(file, check_cancelled)
    walk = _WALKS.get(reader.read(0, 4))
    sections = list(itertools.islice(walk(reader), _MAX_SECTIONS)) if walk else [FileSection()]
    file.seek(0)
    return (
        [*sections[:-1], replace(sections[-1], end=reader.size)] if len(sections) > 1 else sections
    )


class _BoundedReader:
    """Random access to a file with a bound on the number of reads."""

    def __init__(self, file: BinaryIO, check_cancelled: Callable[[], None]) -> None:
        self._file, self._check_cancelled = file, check_cancelled
        self._n_left = _MAX_READS
        self.size = file.seek(0, os.SEEK_END)

    def read(self, at: int, size: int) -> bytes:
        """Return up to ``size`` bytes from position ``at``; none after too many reads."""
        self._check_cancelled()
        self._n_left -= 1
        if self._n_left < 0:
            return b""
        self._file.seek(at)
        return self._file.read(size)


def _ogg_sections(reader: _BoundedReader) -> Iterator[FileSection]:
    """Yield the links of a chained file: each starts with the first pages of its streams."""
    start = at = 0
    is_header = True
    while (page := reader.read(at, 27 + 255))[:4] == b"OggS":
        is_first = bool(page[5:6] and page[5] & 2)
        if is_first and not is_header:
            yield FileSection(start, at)
            start = at
        is_header = is_first
        n_lengths = page[26] if len(page) > 26 else 255
        at += 27 + n_lengths + sum(page[27 : 27 + n_lengths])
        if at > reader.size:
            yield FileSection(start, is_truncated=True)
            return
    yield FileSection(start)


def _wave_sections(reader: _BoundedReader) -> Iterator[FileSection]:
    start: int | None = 0
    while start is not None:
        section, start = _wave_section(reader, start)
        yield section


def _is_wave(reader: _BoundedReader, at: int) -> bool:
    magic = reader.read(at, 12)
    return magic[:4] in _WAVE_IDS and magic[8:] == b"WAVE"


def _wave_section(reader: _BoundedReader, start: int) -> tuple[FileSection, int | None]:
    """Return the WAV file at ``start``, and the start of the next one if there is one."""
    at, long_size = start + 12, 0
    riff_size = int.from_bytes(reader.read(start + 4, 4), "little")
    while _is_wave(reader, start) and len(header := reader.read(at, 8)) == 8:
        chunk_id, length = struct.unpack("<4sI", header)
        at += 8
        if chunk_id == b"ds64":
            long_size = int.from_bytes(reader.read(at + 8, 8), "little")
        if chunk_id == b"data":
            missing = at + length - reader.size
            if length == 0xFFFFFFFF and long_size:
                missing = at + long_size - reader.size
            elif length == 0 or (length >= _MIN_PLACEHOLDER_BYTES and missing > 0):
                is_long = reader.read(start, 4) != b"RIFF"  # FFmpeg believes these, even a 0
                return FileSection(start, ignores_length=is_long), None
            if missing > 0:
                is_likely = long_size or length <= riff_size < _MIN_PLACEHOLDER_BYTES
                return FileSection(start, missing_bytes=missing if is_likely else 0), None
            return _section_by_trailer(reader, start, reader.size + missing)
        at += length + length % 2
    return FileSection(start), None


def _section_by_trailer(
    reader: _BoundedReader, start: int, end: int
) -> tuple[FileSection, int | None]:
    """Return the section and the next start by what follows the declared end of the audio."""
    at = end if _is_wave(reader, end) else end + end % 2
    while len(header := reader.read(at, 8)) == 8:
        if _is_wave(reader, at):
            return FileSection(start, at), at
        chunk_id, length = struct.unpack("<4sI", header)
        rest = reader.size - at - 8
        is_chunk = chunk_id.isascii() and chunk_id.decode().isprintable() and length <= rest
        if chunk_id.startswith(_TAG_IDS) or (not is_chunk and rest < _MAX_TRAILING_BYTES):
            break
        if not is_chunk:
            return FileSection(start, ignores_length=True), None
        at += 8 + length + length % 2
    return FileSection(start), None


def _amr_sections(reader: _BoundedReader) -> Iterator[FileSection]:
    start = at = 0
    while block := reader.read(at, _SEARCH_BLOCK_BYTES):
        found = block.find(_AMR_ID, 1)
        if found >= 0:
            at += found
            yield FileSection(start, at)
            start = at
        else:
            at += max(1, len(block) - len(_AMR_ID))
    yield FileSection(start)


def _w64_sections(reader: _BoundedReader) -> Iterator[FileSection]:
    return _whole_file(reader, 40, "<4s12xQ", header_bytes_in_length=24, alignment=8)


def _caf_sections(reader: _BoundedReader) -> Iterator[FileSection]:
    return _whole_file(reader, 8, ">4sQ", header_bytes_in_length=0, alignment=1)


def _whole_file(
    reader: _BoundedReader,
    at: int,
    header_format: str,
    *,
    header_bytes_in_length: int,
    alignment: int,
) -> Iterator[FileSection]:
    """Yield a file of chunks as one section, with what its chunk of audio lacks.

    Args:
        reader: of the file.
        at: start of the first chunk.
        header_format: of a chunk's header: its identifier and length, for ``struct``.
        header_bytes_in_length: bytes of the header that the length includes.
        alignment: chunks start at multiples of it.
    """
    size = struct.calcsize(header_format)
    while len(header := reader.read(at, size)) == size:
        chunk_id, length = struct.unpack(header_format, header)
        end = at + size - header_bytes_in_length + length
        if chunk_id == b"data":
            is_known = length < _MIN_UNKNOWN_BYTES
            yield FileSection(missing_bytes=max(0, end - reader.size) if is_known else 0)
            return
        at = max(at + size, end + -end % alignment)
    yield FileSection()


_WALKS: Mapping[bytes, Callable[[_BoundedReader], Iterator[FileSection]]] = {
    b"OggS": _ogg_sections,
    **dict.fromkeys(_WAVE_IDS, _wave_sections),
    _AMR_ID[:4]: _amr_sections,
    b"riff": _w64_sections,
    b"caff": _caf_sections,
}
"""How the sections of a file are found, by its first bytes."""
