"""Sections of concatenated WAV files, whose headers often give wrong sizes.

FFmpeg alone reads only the first of them, and no more of it than its header declares.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import replace

from asr_core.audio.sections import BoundedReader, FileSection

__all__ = ["MIN_PLACEHOLDER_BYTES", "WAVE_HEADER", "wave_sections"]

MIN_PLACEHOLDER_BYTES = 2**31 - 2**17
"""A declared size from which on it is a placeholder, by programs that write to a pipe."""

_MAX_TRAILING_BYTES = 4096
"""Unknown bytes that may follow the audio without being audio."""

WAVE_HEADER = re.compile(rb"(?:RIFF|RF64|BW64).{4}WAVE", re.DOTALL)
_TAG_IDS = (b"ID3", b"TAG", b"APETAGEX")


def wave_sections(reader: BoundedReader) -> Iterator[FileSection]:
    """Yield each of several WAV files."""
    start: int | None = 0
    while start is not None:
        section, start = _wave_section(reader, start)
        yield section


def _is_wave(reader: BoundedReader, at: int) -> bool:
    return WAVE_HEADER.match(reader.read(at, 12)) is not None


def _wave_section(reader: BoundedReader, start: int) -> tuple[FileSection, int | None]:
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
            elif length == 0 or (length >= MIN_PLACEHOLDER_BYTES and missing > 0):
                is_long = reader.read(start, 4) != b"RIFF"  # FFmpeg believes these, even a 0
                return _up_to_next(reader, FileSection(start, ignores_length=is_long))
            if missing > 0:
                is_likely = long_size or length <= riff_size < MIN_PLACEHOLDER_BYTES
                missing = missing if is_likely else 0
                return _up_to_next(reader, FileSection(start, missing_bytes=missing))
            return _section_by_trailer(reader, start, reader.size + missing)
        at += length + length % 2
    return FileSection(start), None


def _section_by_trailer(
    reader: BoundedReader, start: int, end: int
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
            section, following = _up_to_next(reader, FileSection(start, ignores_length=True))
            is_truncated = following is not None and following < end
            return replace(section, is_truncated=is_truncated), following
        at += 8 + length + length % 2
    return FileSection(start), None


def _up_to_next(reader: BoundedReader, section: FileSection) -> tuple[FileSection, int | None]:
    """Return a section whose header does not tell its end, and the start of the next one."""
    following = reader.find(WAVE_HEADER, section.start + 1)
    if following is None:
        return section, None
    missing = section.missing_bytes + reader.size - following if section.missing_bytes else 0
    return replace(section, end=following, missing_bytes=missing), following
