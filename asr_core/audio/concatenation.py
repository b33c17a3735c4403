"""Sections of a file that holds several recordings one after another.

FFmpeg alone reads most of such files up to the end of the first recording. Others it reads on as if
all were of the first one's format, and decodes the header of the second as audio. Nor does it
report every truncated file.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from asr_core.audio.chunk_sections import CHUNK_FORMATS, chunk_sections
from asr_core.audio.id3 import id3_size
from asr_core.audio.sections import MAX_HEADER_BYTES, WHOLE_FILE, BoundedReader, FileSection
from asr_core.audio.wave_sections import WAVE_HEADER, wave_sections

__all__ = ["MAX_SECTIONS", "find_sections"]

MAX_SECTIONS = 1000
"""Each is opened on its own; beyond that number the rest is read as one section."""


def find_sections(file: BinaryIO, check_cancelled: Callable[[], None]) -> list[FileSection]:
    """Return the sections of a file, at least one; for most files it is the whole file.

    Args:
        file: read from its start, and left there.
        check_cancelled: called many times a second; what it raises is passed on.
    """
    if not file.seekable():
        return [WHOLE_FILE]
    reader = BoundedReader(file, check_cancelled)
    sections = list(itertools.islice(_sections(reader), MAX_SECTIONS))
    file.seek(0)
    if len(sections) == MAX_SECTIONS:
        sections[-1] = replace(sections[-1], end=None)
    if len(sections) > 1 and sections[-1].end is None:
        sections[-1] = replace(sections[-1], end=reader.size)
    return sections


def _sections(reader: BoundedReader) -> Iterator[FileSection]:
    header = reader.read(0, MAX_HEADER_BYTES)
    for pattern, walk in _WALKS:
        if pattern.match(header):
            return walk(reader)
    at = id3_size(header)
    header = reader.read(at, MAX_HEADER_BYTES)
    for pattern in _HEADERS_WITHOUT_LENGTH:
        if pattern.match(header):
            return iter([FileSection(at, following=pattern)])
    return iter([WHOLE_FILE])


def _between_headers(reader: BoundedReader, header: re.Pattern[bytes]) -> Iterator[FileSection]:
    """Yield the sections of a file by a search.

    Args:
        reader: of the file.
        header: start of a file of this format, long enough not to occur by chance.
    """
    start = 0
    while (found := reader.find(header, start + 1)) is not None:
        yield FileSection(start, found)
        start = found
    yield FileSection(start)


def _ogg_sections(reader: BoundedReader) -> Iterator[FileSection]:
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


_WAVPACK_ID = b"wvpk"
_IS_INITIAL = b"[" + re.escape(bytes(byte for byte in range(256) if byte & 8)) + b"]"
_WAVPACK_START = re.compile(rb"wvpk.{6}\0.{5}\0{4}(?!\0{4}).{4}." + _IS_INITIAL, re.DOTALL)
"""Block with samples, of which the first is number 0; the first block of them."""

_SEARCHED_TRAILER_BYTES = 2**20


def _wavpack_sections(reader: BoundedReader) -> Iterator[FileSection]:
    for section in _between_headers(reader, _WAVPACK_START):
        yield _without_trailer(reader, section)


def _without_trailer(reader: BoundedReader, section: FileSection) -> FileSection:
    """Return a WavPack section without what follows its blocks: FFmpeg takes tags for damage."""
    end, at = section.end or reader.size, section.start
    while at < end and (header := reader.read(at, 8)).startswith(_WAVPACK_ID):
        at += 8 + int.from_bytes(header[4:], "little")
    if at > end:
        return replace(section, is_truncated=True)
    if _WAVPACK_ID in reader.read(at, min(end - at, _SEARCHED_TRAILER_BYTES)):
        return section  # there is a hole
    return replace(section, end=at)


_NUT_START = re.compile(rb"nut/multimedia container\0")
_NUT_INDEX = b"NX\xdd\x67\x2f\x23\xe6\x4e"
_NUT_TAIL_BYTES = 2**20  # the index of a day is smaller


def _nut_sections(reader: BoundedReader) -> Iterator[FileSection]:
    for section in _between_headers(reader, _NUT_START):
        end = section.end or reader.size
        start = max(section.start, end - _NUT_TAIL_BYTES)
        yield replace(section, is_truncated=_NUT_INDEX not in reader.read(start, end - start))


_HEADERS_WITHOUT_LENGTH = tuple(
    re.compile(header, re.DOTALL)
    for header in (
        rb"fLaC[\x00\x80]\x00\x00\x22",
        rb"#!AMR",
        rb"TTA1[\x01-\x03]\x00[\x01-\x20]\x00[\x08-\x20]\x00",
        rb"\.snd\x00\x00.{2}.{4}\x00\x00\x00[\x01-\x1b]",  # AU
        rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09\x00{4}",
        rb"\.RMF\x00\x00\x00\x12",
    )
)
_WALKS: tuple[tuple[re.Pattern[bytes], Callable[[BoundedReader], Iterator[FileSection]]], ...] = (
    (re.compile(rb"OggS"), _ogg_sections),
    (WAVE_HEADER, wave_sections),
    (_WAVPACK_START, _wavpack_sections),
    (_NUT_START, _nut_sections),
    *((each.start, partial(chunk_sections, chunk_format=each)) for each in CHUNK_FORMATS),
)
"""How the sections of a file are found, by its first bytes."""
