"""Packets and decoded frames of one section of a file, past any damage in it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import BinaryIO

import av
import av.error

from asr_core.audio.containers import Reader, open_container
from asr_core.audio.decode_errors import DecodeErrors
from asr_core.audio.edit_list import Pause, edit_pauses
from asr_core.audio.header_duration import declared_file_end_s, format_name
from asr_core.audio.sections import FileSection

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
        self._file = file
        self._reader = Reader(file, extension, check_cancelled, section)
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
        end_s = declared_file_end_s(self.container, self.origin_s)
        return end_s and max([end_s, *(pause.end_s for pause in self.pauses)])

    @property
    def following(self) -> FileSection | None:
        """Section that begins where this one was found to end; None if it was known before."""
        if self.section.following is None or self._reader.end is None:
            return None
        return FileSection(self._reader.end, following=self.section.following)

    @functools.cached_property
    def pauses(self) -> tuple[Pause, ...]:
        """Pauses that the file makes in the stream; what FFmpeg plays in them is not in the file."""
        if self.format_name != "mov":
            return ()
        return edit_pauses(self._file, self.section.start, self.stream.id)

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
        packets, decoder = self._packets_past_damage(), self.stream.codec_context
        if self.format_name == "ogg" and decoder and decoder.name == "flac":
            packets = _with_first_page_in_place(packets, self.stream.duration)
        for packet in packets:
            if packet.pts is not None and not packet.size:  # as FFmpeg writes at the end of NUT
                continue
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
                    if packet.size:  # else what the decoder had kept back
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


def _with_first_page_in_place(
    packets: Iterator[av.Packet[av.AudioStream]], stream_end: int | None
) -> Iterator[av.Packet[av.AudioStream]]:
    """Yield the packets of Ogg FLAC, the first page of them stamped to end where the next begins.

    FFmpeg stamps that page from 0, even if the recording starts later.

    Args:
        packets: of the stream.
        stream_end: in the unit of the time stamps; None if unknown.
    """
    page: list[av.Packet[av.AudioStream]] = []
    following: list[av.Packet[av.AudioStream]] = []
    for packet in packets:
        if page and packet.pos != page[0].pos:
            following = [packet]
            stream_end = stream_end if packet.pts is None else packet.pts
            break
        page.append(packet)
    n_late = 0
    if page and stream_end and page[-1].pts is not None and page[-1].duration:
        n_late = max(0, stream_end - page[-1].pts - page[-1].duration)
    for packet in page:
        if packet.pts is not None:
            packet.pts += n_late
    yield from itertools.chain(page, following, packets)
