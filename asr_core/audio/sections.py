"""Sections of a file, and bounded access to its bytes for finding them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["MAX_HEADER_BYTES", "WHOLE_FILE", "BoundedReader", "FileSection"]

MAX_HEADER_BYTES = 64
"""Length of the longest header of a file that is searched for."""

_SEARCH_BLOCK_BYTES = 2**18

_MAX_READS = 1_000_000
"""Bounds the search: an hour-long film has a tenth as many pages, a hostile file any number."""


@dataclass(frozen=True)
class FileSection:
    """Bytes from ``start`` up to ``end``, which FFmpeg can read as one recording.

    Attributes:
        end: None for the end of the file, if it is the only section.
        missing_bytes: audio bytes that the header declares and the file lacks.
        is_truncated: the file ends before the end of the audio.
        ignores_length: the audio goes on past the length that the header declares.
        following: header of another file, for formats that do not tell where they end: one that
            follows is noticed when it is read.
    """

    start: int = 0
    end: int | None = None
    missing_bytes: int = 0
    is_truncated: bool = False
    ignores_length: bool = False
    following: re.Pattern[bytes] | None = None


WHOLE_FILE = FileSection()


class BoundedReader:
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

    def find(self, header: re.Pattern[bytes], at: int) -> int | None:
        """Return the next position of ``header``, at most ``MAX_HEADER_BYTES`` long, from ``at``."""
        while block := self.read(at, _SEARCH_BLOCK_BYTES):
            if found := header.search(block):
                return at + found.start()
            if len(block) <= MAX_HEADER_BYTES:
                return None
            at += len(block) - MAX_HEADER_BYTES
        return None
