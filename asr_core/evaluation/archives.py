"""ZIP archives of recordings, read within fixed limits.

Nothing that the archive's headers claim is trusted; bytes are counted as they are unpacked.
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
from asr_core.evaluation.set_files import Files
from asr_core.text.plain_text import shorten

__all__ = ["open_zip"]

MAX_MEMBER_BYTES = 100_000_000  # five minutes at 48 kHz, stereo, 24 bits: 86 MB
_MAX_TOTAL_BYTES = 4_000_000_000  # unpacked; twice the store's default size
_MAX_MEMBERS = 20_000
_PIECE_BYTES = 1_000_000
_MAX_DIRECTORY_BYTES = 5_000_000  # central directory: 46 bytes and a name per member

# Raised by the standard library for damaged or malicious ZIPs.
_DAMAGE_ERRORS = (
    zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, OSError,
    EOFError, ValueError, LookupError, OverflowError, MemoryError, struct.error, zlib.error, lzma.LZMAError,
)  # fmt: skip


class _SmallReads(io.RawIOBase):
    """File that limits each read, whatever sizes its own headers ask for."""

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
def open_zip(source: BinaryIO | Path) -> Iterator[Files]:
    """Open a ZIP and provide its files by path.

    Reading a path that occurs more than once raises AudioError.

    Args:
        source: a path, or an open binary file, which stays open.

    Raises:
        ManifestError: it is not a ZIP, is damaged, or exceeds the limits.
    """
    with _opened(source) as file:
        try:
            archive = zipfile.ZipFile(_SmallReads(file))
        except _DAMAGE_ERRORS:
            raise ManifestError(
                "This is not a ZIP file, or it is damaged; pack it again."
            ) from None
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
    left = [
        _MAX_TOTAL_BYTES
    ]  # bytes that may still be unpacked; a table can name one file many times
    return {info.filename: _reader(archive, info, times, left) for info in members}


def _reader(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, times: Mapping[str, int], left: list[int]
) -> Callable[[], BinaryIO]:
    def read() -> BinaryIO:
        called = shorten(info.filename)
        if times[info.filename] > 1:
            raise AudioError(f"{called} is {times[info.filename]} times in the ZIP; leave one.")
        if info.flag_bits & 0x1:
            raise AudioError(f"{called} is encrypted; pack the files without a password.")
        # Other methods are rare, and some allocate whatever their header asks for.
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
        except _DAMAGE_ERRORS:
            raise AudioError(f"{called} is damaged in the ZIP; pack the files again.") from None
        content.seek(0)
        return content

    return read


def _too_large(called: str) -> AudioError:
    return AudioError(
        f"{called} is too large: a file has at most {MAX_MEMBER_BYTES / 1e6:.0f} MB, a set "
        f"{_MAX_TOTAL_BYTES / 1e9:.0f} GB."
    )
