"""Sections of concatenated files in formats whose chunks tell their lengths."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from asr_core.audio.sections import MAX_HEADER_BYTES, BoundedReader, FileSection
from asr_core.audio.wave_sections import MIN_PLACEHOLDER_BYTES

__all__ = ["CHUNK_FORMATS", "ChunkFormat", "chunk_sections", "mp4_box_length"]

_MIN_MISSING_BYTES = 24
"""Lengths that are off by less are those of careless programs, which forget a header's."""

_MIN_UNKNOWN_BYTES = 2**62
"""A 64-bit length from which on it means all that follows, such as -1 in CAF."""


@dataclass(frozen=True)
class ChunkFormat:
    """Format of a file of chunks.

    Attributes:
        start: header of a file's first chunk, long enough not to occur by chance.
        audio: header of the chunks whose end must not be missing.
        length: returns the length of a chunk, its header included, from the bytes at its start;
            0 if they do not tell it.
        alignment: chunks start at multiples of it.
    """

    start: re.Pattern[bytes]
    audio: re.Pattern[bytes]
    length: Callable[[bytes], int]
    alignment: int = 1


def chunk_sections(reader: BoundedReader, chunk_format: ChunkFormat) -> Iterator[FileSection]:
    """Yield each of several files of ``chunk_format``, up to where there is no chunk."""
    start = at = 0
    while header := reader.read(at, MAX_HEADER_BYTES):
        if at > start and chunk_format.start.match(header):
            yield FileSection(start, at)
            start = at
        length = chunk_format.length(header)
        is_known, is_audio = 0 < length < _MIN_UNKNOWN_BYTES, chunk_format.audio.match(header)
        if not is_known and is_audio:
            break
        missing = at + length - reader.size
        if not is_known or missing > 0:
            following = reader.find(chunk_format.start, start + 1)
            is_cut = is_audio is not None and missing >= _MIN_MISSING_BYTES
            is_truncated = is_cut or following is not None
            yield FileSection(start, following, missing if is_cut else 0, is_truncated)
            if following is None:
                return
            start = at = following
        else:
            at += length
            at += -(at - start) % chunk_format.alignment
    yield FileSection(start)


def _number(data: bytes, order: Literal["little", "big"] = "big") -> int:
    return int.from_bytes(data, order)


def _aiff_length(header: bytes) -> int:
    length = _number(header[4:8])
    return 8 + length if length < MIN_PLACEHOLDER_BYTES else 0


def _avi_length(header: bytes) -> int:
    length = _number(header[4:8], "little")
    return 8 + length if 0 < length < MIN_PLACEHOLDER_BYTES else 0


def _long_length(header: bytes) -> int:
    """Return the length of a chunk of W64 or ASF."""
    return _number(header[16:24], "little")


def _caf_length(header: bytes) -> int:
    return 8 if header.startswith(b"caff") else 12 + _number(header[4:12])


def mp4_box_length(header: bytes) -> int:
    """Return the length of a box of MP4 from its first 16 bytes; 0 if it ends with the file."""
    length = _number(header[:4])
    return _number(header[8:16]) if length == 1 else length


def _matroska_length(header: bytes) -> int:
    n_id, _ = _variable_int(header)
    n_length, length = _variable_int(header[n_id:])
    is_unknown = length == 2 ** (7 * n_length) - 1
    return 0 if is_unknown else n_id + n_length + length


def _variable_int(data: bytes) -> tuple[int, int]:
    """Return the number of bytes of an integer of Matroska, by its leading zeros, and its value."""
    n = 9 - _number(data[:1]).bit_length()
    return n, _number(data[:n]) & (2 ** (7 * n) - 1)


def _voc_length(header: bytes) -> int:
    if header.startswith(b"Creative"):
        return _number(header[20:22], "little")
    return 4 + _number(header[1:4], "little") if header[0] else 1  # 0 ends the file


def _format(
    start: bytes, audio: bytes, length: Callable[[bytes], int], alignment: int = 1
) -> ChunkFormat:
    return ChunkFormat(
        re.compile(start, re.DOTALL), re.compile(audio, re.DOTALL), length, alignment
    )


CHUNK_FORMATS = (
    _format(rb"FORM.{4}AIF[FC]", rb"FORM", _aiff_length, 2),
    _format(rb"RIFF.{4}AVI ", rb"RIFF.{4}AVI[ X]", _avi_length, 2),
    _format(rb"riff\x2e\x91\xcf\x11", rb"riff\x2e\x91\xcf\x11", _long_length, 8),  # W64
    _format(rb"caff\x00\x01", rb"data", _caf_length),
    _format(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", rb"\x36\x26\xb2\x75", _long_length),  # ASF
    _format(rb"\x00\x00\x00.ftyp[ -~]{4}", rb".{4}(?:moof|mdat)", mp4_box_length),
    _format(rb"\x1aE\xdf\xa3.{1,48}?(?:matroska|webm)", rb"\x18S\x80g", _matroska_length),
    _format(rb"Creative Voice File\x1a", rb"[\x01\x02\x09]", _voc_length),
)
