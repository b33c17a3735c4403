"""What may be read as a recording, and how: that file alone, nothing that it names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePath
from typing import BinaryIO, NoReturn

import av
from av.container import InputContainer

from asr_core.audio.allocations import limit_allocations

__all__ = ["FORMATS", "Reader", "open_container"]

FORMATS = (
    # what players and phones keep sound in
    "aac", "ac3", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "eac3", "flac", "flv",
    "matroska", "mov", "mp3", "mpeg", "mpegts", "ogg", "rm", "wav", "wv",
    # recorders, studios, broadcast, telephones and old computers
    "ac4", "aea", "amrnb", "amrwb", "aptx", "aptx_hd", "avr", "bit", "bonk", "codec2", "dfpwm",
    "dhav", "dsf", "dss", "dts", "dtshd", "dv", "epaf", "g722", "g723_1", "g726", "g726le",
    "g728", "g729", "gsm", "gxf", "hcom", "iamf", "iff", "ilbc", "ircam", "ivr", "laf", "lc3",
    "live_flv", "loas", "lvf", "mca", "mlp", "mmf", "mpc", "mpc8", "mxf", "nistsphere", "nsp",
    "nsv", "nut", "nuv", "oma", "osq", "pmp", "pva", "pvf", "qcp", "qoa", "rka", "rso", "sbc",
    "sds", "sdx", "shn", "sln", "sox", "spdif", "swf", "tak", "truehd", "tta", "ty", "vivo",
    "voc", "vqf", "w64", "wavarc", "wsd", "wtv", "wve", "xwma",
)  # fmt: skip
"""FFmpeg's demuxers that are used: those of files that hold sound themselves. Not among them
are playlists, descriptions of streams, scripts, devices, pictures and subtitles, which make
FFmpeg open other files and addresses."""

_OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none"}


class Reader:
    """The bytes of a file, or from ``start`` up to ``end`` of it, as FFmpeg reads them.

    Its ``name`` tells the kind of file alone, never a path.

    Attributes:
        stopped: what ``between`` raised; from then on the file is at its end.
    """

    def __init__(
        self,
        file: BinaryIO,
        extension: str,
        between: Callable[[], None],
        start: int = 0,
        end: int | None = None,
    ) -> None:
        self.name = f"recording{extension}"
        self.stopped: BaseException | None = None
        self._file, self._between = file, between
        self._start, self._end = start, end
        if start or file.seekable():
            file.seek(start)

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end or once ``between`` has raised."""
        if self.stopped is None:
            try:
                self._between()
            except Exception as error:  # FFmpeg could not pass it on
                self.stopped = error
        if self.stopped is not None:
            return b""
        if self._end is not None:
            size = max(0, min(size, self._end - self._file.tell()))
        return self._file.read(size)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return whether the file is more than a stream of bytes."""
        return self._file.seekable()

    def tell(self) -> int:
        """Return the position, 0 at the first byte."""
        return self._file.tell() - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it."""
        if whence == os.SEEK_SET:
            offset += self._start
        elif whence == os.SEEK_END and self._end is not None:
            offset, whence = self._end + offset, os.SEEK_SET
        return self._file.seek(offset, whence) - self._start


def open_container(reader: Reader, options: dict[str, str] | None = None) -> InputContainer:
    """Return what FFmpeg finds in the bytes; it can open nothing else.

    Raises:
        av.error.FFmpegError, OSError, ValueError, MemoryError: no sound file of ``FORMATS``.
        Exception: what the reader's ``between`` raised.
    """
    limit_allocations()
    try:
        container = av.open(
            reader,
            "r",
            metadata_errors="ignore",
            container_options={**_OPTIONS, **(options or {})},
            io_open=_refuse,
        )
    except (av.error.FFmpegError, OSError, ValueError, MemoryError):
        if reader.stopped is not None:
            raise reader.stopped from None
        raise
    if reader.stopped is not None:
        container.close()
        raise reader.stopped
    return container


def _refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise OSError("A recording may not open other files.")


def extension_of(name: str) -> str:
    """Return the end of a file's name that tells its kind, with its dot."""
    suffix = PurePath(name).suffix
    return suffix if suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) < 9 else ""
