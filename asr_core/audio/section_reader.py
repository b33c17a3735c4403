"""Packets and decoded frames of one section of a file, past any damage in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import av
import av.error

from asr_core.audio.concatenation import FileSection
from asr_core.audio.containers import Reader, open_container
from asr_core.audio.decode_errors import DecodeErrors
from asr_core.audio.header_duration import declared_file_end_s, format_name

__all__ = ["READ_ERRORS", "SectionReader"]

READ_ERRORS = (av.error.FFmpegError, OSError, ValueError, MemoryError)
"""Everything that PyAV raises for a file it cannot read."""

_ZERO_BASED_FORMATS = frozenset({"mov", "matroska", "ogg"})
"""Browsers play these, with time stamp 0 at 0 of the player. Any other file starts with its first
audio or video."""


class SectionReader:
    """Section of a file, opened with FFmpeg; for one thread.

    Attributes:
        stream: the audio stream to read; chosen by the owner before anything is read.
        errors: what could not be decoded so far.

    Raises:
        READ_ERRORS: FFmpeg cannot open it.
        Exception: what ``check_cancelled`` raised.
    """

    stream: av.AudioStream

    def __init__(
        self,
        file: BinaryIO,
        extension: str,
        section: FileSection,
        check_cancelled: Callable[[], None],
    ) -> None:
        self.section = section
        self._check_cancelled = check_cancelled
        self._reader = Reader(file, extension, check_cancelled, section.start, section.end)
        options = {"ignore_length": "1"} if section.ignores_length else {}
        self.container = open_container(self._reader, options)
        self.errors = DecodeErrors(self.format_name)

    def close(self) -> None:
        """Close the container; the file stays open."""
        self.container.close()

    @property
    def format_name(self) -> str:
        """FFmpeg's first name for the container format."""
        return format_name(self.container)

    @property
    def origin_s(self) -> float:
        """Time stamp at 0 of a player's clock."""
        if self.format_name in _ZERO_BASED_FORMATS:
            return 0.0
        return (self.container.start_time or 0) / 1e6

    @property
    def declared_end_s(self) -> float | None:
        """End of the file as its header declares it; None unless it is the first section."""
        if self.section.start:
            return None
        return declared_file_end_s(self.container, self.origin_s)

    def raise_if_cancelled(self) -> None:
        """Raise what ``check_cancelled`` raises, or raised inside FFmpeg."""
        if self._reader.stopped is not None:
            raise self._reader.stopped
        self._check_cancelled()

    def raise_if_stopped(self) -> None:
        """Raise what ``check_cancelled`` raised inside FFmpeg."""
        if self._reader.stopped is not None:
            raise self._reader.stopped

    def packets(self) -> Iterator[av.Packet[av.AudioStream]]:
        """Yield the undecoded packets of the stream up to the first damage."""
        try:
            for packet in self.container.demux(self.stream):
                self.raise_if_cancelled()
                yield packet
        except IndexError:  # PyAV, at the end of a file whose other streams began late
            return

    def frames(self) -> Iterator[av.AudioFrame]:
        """Yield the decoded frames; count in ``errors`` what cannot be decoded."""
        for packet in self._packets_past_damage():
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:  # decoders have error codes of their own
                if self.errors.add_broken(packet):
                    continue
                return
            except READ_ERRORS:
                self.errors.give_up()
                return
            for frame in frames:
                if isinstance(frame, av.AudioFrame) and frame.samples and frame.sample_rate:
                    self.errors.add_decoded()
                    yield frame

    def _packets_past_damage(self) -> Iterator[av.Packet[av.AudioStream]]:
        while True:
            try:
                for packet in self.container.demux(self.stream):
                    self.raise_if_cancelled()
                    yield packet
                self.raise_if_cancelled()
                return
            except IndexError:  # as in packets
                continue
            except (av.error.InvalidDataError, av.error.BlockingIOError):  # MPEG-TS: none yet
                if not self.errors.add_broken():
                    return
            except READ_ERRORS:
                self.errors.give_up()
                return
