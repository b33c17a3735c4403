"""Safe opening of media files: known formats only, and no file or address that one refers to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePath
from typing import BinaryIO, NoReturn

import av
from av.container import InputContainer

from asr_core.audio.sections import MAX_HEADER_BYTES, WHOLE_FILE, FileSection
from asr_core.workarounds.ffmpeg_limits import limit_memory

__all__ = ["CONTAINER_FORMATS", "Reader", "open_container"]

CONTAINER_FORMATS = (
    # players and phones
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
"""FFmpeg demuxers that are allowed: formats that contain the audio themselves. Playlists, stream
descriptions, scripts, devices, images and subtitles are left out, since they make FFmpeg open
other files and addresses."""

_OPTIONS = {"format_whitelist": ",".join(CONTAINER_FORMATS), "protocol_whitelist": "none"}


class Reader:
    """Section of a file as an object that FFmpeg reads from.

    Attributes:
        end: of the section, moved to the header of a file that follows; None for the file's.
        name: a neutral name with the file's extension, never a path.
        stopped: what ``check_cancelled`` raised; from then on the file is at its end.
    """

    def __init__(
        self,
        file: BinaryIO,
        extension: str,
        check_cancelled: Callable[[], None],
        section: FileSection = WHOLE_FILE,
    ) -> None:
        self.name = f"recording{extension}"
        self.stopped: BaseException | None = None
        self._file, self._check_cancelled = file, check_cancelled
        self._start, self.end, self._following = section.start, section.end, section.following
        if self._start or file.seekable():
            file.seek(self._start)

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end or once ``check_cancelled`` has raised."""
        if self.stopped is None:
            try:
                self._check_cancelled()
            except Exception as error:  # it would not pass through FFmpeg
                self.stopped = error
        if self.stopped is not None:
            return b""
        if self.end is not None:
            size = max(0, min(size, self.end - self._file.tell()))
        data = self._file.read(size)
        return self._before_following(data) if self._following and data else data

    def _before_following(self, data: bytes) -> bytes:
        """Return what was read last without another file that begins in it."""
        after = self._file.tell()
        at = after - len(data)
        rest_of_header = self._file.read(MAX_HEADER_BYTES)
        assert self._following is not None
        found = self._following.search(data + rest_of_header, int(at == self._start))
        if found and found.start() < len(data):
            after = self.end = at + found.start()
        self._file.seek(after)
        return data[: after - at]

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True if the file can seek."""
        return self._file.seekable()

    def tell(self) -> int:
        """Return the position, counted from ``start``."""
        return self._file.tell() - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position counted from ``start`` and return it."""
        if whence == os.SEEK_SET:
            offset += self._start
        elif whence == os.SEEK_END and self.end is not None:
            offset, whence = self.end + offset, os.SEEK_SET
        return self._file.seek(offset, whence) - self._start


def open_container(reader: Reader, options: dict[str, str] | None = None) -> InputContainer:
    """Return the opened container; FFmpeg can open nothing but these bytes.

    Raises:
        av.error.FFmpegError, OSError, ValueError, MemoryError: it is in none of ``CONTAINER_FORMATS``.
        Exception: what the reader's ``check_cancelled`` raised.
    """
    limit_memory()
    try:
        container = av.open(
            reader,
            "r",
            metadata_errors="ignore",
            container_options={**_OPTIONS, **(options or {})},
            io_open=_refuse_to_open,
        )
    except (av.error.FFmpegError, OSError, ValueError, MemoryError):
        if reader.stopped is not None:
            raise reader.stopped from None
        raise
    if reader.stopped is not None:
        container.close()
        raise reader.stopped
    return container


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise OSError("A recording may not open other files.")


def file_extension(name: str) -> str:
    """Return the extension with its dot if it is a plausible one, else an empty string."""
    suffix = PurePath(name).suffix
    return suffix if suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) < 9 else ""
