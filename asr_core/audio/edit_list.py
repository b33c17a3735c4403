"""Pauses in the edit lists of MP4 and MOV files.

A track may have empty edits, in which nothing is played. FFmpeg 8 plays the beginning of the track
once more in one that follows another edit.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from asr_core.audio.chunk_sections import mp4_box_length

__all__ = ["Pause", "edit_pauses"]

_MAX_BOXES, _MAX_PAUSES = 10_000, 1000
"""Far more than there are in recordings; every frame is compared with every pause."""

_MAX_LIST_BYTES = 2**16
_NOTHING = -1  # instead of a time in the track

_ROUNDING_S = 0.001
"""Edits are in units of the whole file, commonly milliseconds, and time stamps in those of a track."""


class Pause(NamedTuple):
    """Time in which a track is not played, seconds on the file's clock."""

    start_s: float
    end_s: float

    def contains(self, at_s: float) -> bool:
        """Return whether a frame that starts at ``at_s`` is in the pause."""
        return self.start_s <= at_s + _ROUNDING_S < self.end_s


class _Box(NamedTuple):
    kind: bytes
    start: int  # of its content
    end: int


def edit_pauses(file: BinaryIO, start: int, track_id: int) -> tuple[Pause, ...]:
    """Return the pauses of a track after its first edit, in order.

    Args:
        file: left at its position; no pauses are found if it cannot seek.
        start: position of the MP4 file in it.
        track_id: as stored in the file.
    """
    if not file.seekable():
        return ()
    position = file.tell()
    try:
        for movie in _boxes(file, start, file.seek(0, os.SEEK_END)):
            if movie.kind == b"moov":
                return tuple(itertools.islice(_pauses(file, movie, track_id), _MAX_PAUSES))
    except (struct.error, ZeroDivisionError):  # damaged
        pass
    finally:
        file.seek(position)
    return ()


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[_Box]:
    for _ in range(_MAX_BOXES):
        file.seek(start)
        header = file.read(16)
        length = mp4_box_length(header)
        if len(header) < 8 or length < 8 or start + length > end:
            return
        n_header = 16 if header.startswith(b"\0\0\0\1") else 8
        yield _Box(header[4:8], start + n_header, start + length)
        start += length


def _pauses(file: BinaryIO, movie: _Box, track_id: int) -> Iterator[Pause]:
    units_per_s = 0
    for box in _boxes(file, movie.start, movie.end):
        if box.kind == b"mvhd":
            units_per_s = _number_after_dates(file, box)
        elif box.kind == b"trak":
            track = {part.kind: part for part in _boxes(file, box.start, box.end)}
            header, edits = track.get(b"tkhd"), track.get(b"edts")
            if header and edits and _number_after_dates(file, header) == track_id:
                yield from _pauses_between(_edits(file, edits), units_per_s)


def _number_after_dates(file: BinaryIO, box: _Box) -> int:
    """Return the number behind two dates: of a movie its units per second, of a track its ID."""
    file.seek(box.start)
    data = file.read(24)
    return int(struct.unpack_from(">I", data, 20 if data[:1] == b"\1" else 12)[0])


def _edits(file: BinaryIO, parent: _Box) -> Iterator[tuple[int, int]]:
    """Yield the duration of each edit and its start in the track."""
    for box in _boxes(file, parent.start, parent.end):
        if box.kind == b"elst":
            file.seek(box.start)
            data = file.read(min(box.end - box.start, _MAX_LIST_BYTES))
            entry = struct.Struct(">Qq4x" if data[:1] == b"\1" else ">Ii4x")
            (n,) = struct.unpack_from(">I", data, 4)
            for i in range(min(n, (len(data) - 8) // entry.size)):
                yield entry.unpack_from(data, 8 + i * entry.size)


def _pauses_between(edits: Iterator[tuple[int, int]], units_per_s: int) -> Iterator[Pause]:
    at, has_begun = 0, False
    for duration, start in edits:
        if start == _NOTHING and has_begun:
            yield Pause(at / units_per_s, (at + duration) / units_per_s)
        has_begun |= start != _NOTHING
        at += duration
