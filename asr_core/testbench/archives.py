"""Sets from outside, as a ZIP or as many files: bounded before anything is read.

A ZIP says what it likes about itself: how many members it has, how large they are, whether
they are packed at all. Nothing of that is believed; what is read is counted.
"""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from asr_core.errors import AudioError, ManifestError
from asr_core.plain_text import shortened
from asr_core.testbench.set_files import Files

__all__ = ["opened_zip"]

MAX_MEMBER_BYTES = 100_000_000  # five minutes at 48 kHz, two channels, 24 bits: 86 MB
_MAX_TOTAL_BYTES = 4_000_000_000  # of all that is unpacked, twice what the store holds
_MAX_MEMBERS = 20_000
_PIECE_BYTES = 1_000_000
_MAX_DIRECTORY_BYTES = 5_000_000  # of the table of contents: 46 and a name for each member

# What the standard library raises for ZIPs that are damaged, or made to do harm.
_DAMAGED = (
    zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, OSError,
    EOFError, ValueError, LookupError, OverflowError, MemoryError, struct.error, zlib.error, lzma.LZMAError,
)  # fmt: skip


class _SmallReads(io.RawIOBase):
    """A file of which nobody reads much at once, whatever its own headers ask for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _MAX_DIRECTORY_BYTES:
            raise ManifestError(
                f"This ZIP lists more than {_MAX_MEMBERS} files; divide it into several."
            )
        return self._file.read(_MAX_DIRECTORY_BYTES if size is None or size < 0 else size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


@contextmanager
def opened_zip(source: BinaryIO | Path) -> Iterator[Files]:
    """The files of a ZIP, by path; one that is there twice can't be told and is refused.

    Args:
        source: a path, or an open binary file, which stays open.

    Raises:
        ManifestError: it is no ZIP, is damaged, or holds too many or too large files.
    """
    with _opened(source) as file:
        try:
            archive = zipfile.ZipFile(_SmallReads(file))
        except _DAMAGED:
            raise ManifestError("This is no ZIP file, or a damaged one; pack it again.") from None
        with archive:
            members = [info for info in archive.infolist() if not info.filename.endswith("/")]
            if len(members) > _MAX_MEMBERS:
                raise ManifestError(
                    f"This ZIP holds {len(members)} files; at most {_MAX_MEMBERS} are read."
                )
            if sum(info.file_size for info in members) > _MAX_TOTAL_BYTES:
                raise ManifestError(
                    f"The files of this ZIP are larger than {_MAX_TOTAL_BYTES / 1e9:.0f} GB when "
                    "they are unpacked; divide it into several."
                )
            yield _readers(archive, members)


@contextmanager
def _opened(source: BinaryIO | Path) -> Iterator[BinaryIO]:
    if not isinstance(source, Path):
        yield source
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise ManifestError(f"The ZIP file cannot be read ({error.strerror}).") from None
    with file:
        yield file


def _readers(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Files:
    times = Counter(info.filename for info in members)
    left = [_MAX_TOTAL_BYTES]  # to be unpacked; a table may name one file many times
    return {info.filename: _reader(archive, info, times, left) for info in members}


def _reader(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, times: Mapping[str, int], left: list[int]
) -> Callable[[], BinaryIO]:
    def read() -> BinaryIO:
        called = shortened(info.filename)
        if times[info.filename] > 1:
            raise AudioError(f"{called} is {times[info.filename]} times in the ZIP; leave one.")
        if info.flag_bits & 0x1:
            raise AudioError(f"{called} is encrypted; pack the files without a password.")
        # Others are rare, and some take what memory their header asks for.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise AudioError(
                f"{called} is packed by a method that is not read here; pack the files in the "
                "usual way (deflate)."
            )
        if max(info.file_size, info.compress_size) > MAX_MEMBER_BYTES:
            raise _too_large(called)
        content = io.BytesIO()
        try:
            with archive.open(info) as member:
                while piece := member.read(_PIECE_BYTES):
                    content.write(piece)
                    left[0] -= len(piece)
                    if content.tell() > MAX_MEMBER_BYTES or left[0] < 0:
                        raise _too_large(called)
        except _DAMAGED:
            raise AudioError(f"{called} is damaged in the ZIP; pack the files again.") from None
        content.seek(0)
        return content

    return read


def _too_large(called: str) -> AudioError:
    return AudioError(
        f"{called} is too large: a file has at most {MAX_MEMBER_BYTES / 1e6:.0f} MB, a set "
        f"{_MAX_TOTAL_BYTES / 1e9:.0f} GB."
    )
