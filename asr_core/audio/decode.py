"""Any file that FFmpeg reads → mono 16 kHz float32, a piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.announced import announced_end_s, format_of, guessed_end_s, header_end_s
from asr_core.audio.damage import Damage
from asr_core.audio.parts import Part, parts_of
from asr_core.audio.resample import RATES_HZ, ChannelResampler, Resampler
from asr_core.audio.sources import Reader, extension_of, open_container
from asr_core.audio.timeline import Stamped, placed
from asr_core.audio.tracks import Track, spoken_track, tracks_of
from asr_core.errors import AudioError
from asr_core.plain_text import shortened

__all__ = ["AudioFile", "called_in_messages", "decode", "too_long"]

Samples = NDArray[np.float32]

_LONGEST_NAME = 200  # characters, in messages

PIECE_S = 10.0
"""Length of the pieces handed out: small beside a batch, large beside a frame."""

_MOST_CHANNELS = 16
"""Of those that are heard one by one: each takes the memory of a file."""

_AS_STAMPED = frozenset({"mov", "matroska", "ogg"})
"""Browsers play these, and call 0 what their stamps call so. Others begin with their sound or
picture."""

_STAMPED = frozenset({
    "asf", "dhav", "flac", "flv", "gxf", "live_flv", "matroska", "mov", "mpeg", "mpegts", "mxf",
    "nut", "nuv", "ogg", "rm", "wtv",
})  # fmt: skip
"""Formats that keep time stamps. In others sound follows on sound, and FFmpeg reckons stamps
from samples or bit rates."""

_CANNOT_READ = (av.error.FFmpegError, OSError, ValueError, MemoryError)


def called_in_messages(source: str | Path | BinaryIO, name: str | None) -> str:
    """Return what to call a file in a message: its name, made short and printable."""
    return shortened(_name_of(source, name), _LONGEST_NAME)


def too_long(what: str, most_s: float) -> AudioError:
    """Return what is raised of sound of more than ``most_s``."""
    return AudioError(
        f"{what} is longer than {most_s:.0f} s, which is the most that is taken here; cut it into "
        "parts."
    )


def _name_of(source: str | Path | BinaryIO, name: str | None) -> str:
    return name or (Path(source).name if isinstance(source, str | Path) else "the file")


class AudioFile:
    """One file's sound, decoded while it is read: memory does not grow with it.

    Iterating yields (n_samples,) float32 pieces of about ten seconds and may
    be done once, in one thread. The first sample is at 0 of the clock that a player
    shows; where the file has no sound, there is silence. Damage inside the file is stepped
    over; what was lost stands in ``notes`` afterwards.

    Args:
        source: a path, or an open binary file that can seek.
        name: what to call the file in messages; the path's name by default.
        most_s: how many seconds of sound are taken; a longer file is refused while it is
            read, whatever its header says. None for any length.
        track: which of its sound tracks, from 1; None for the one that the file prefers or,
            if nobody speaks in that, one in which somebody does.
        by_channel: yield (n_channels, n_samples) instead, each channel by itself.
        between: called several times a second while the file is opened and read; what it
            raises ends both.

    Attributes:
        tracks: all its sound tracks.
        channels: FFmpeg's names of the places of the channels that are heard one by one.

    Raises:
        AudioError: the file cannot be opened, is no audio, has no sound or too much of it.
    """

    def __init__(
        self,
        source: str | Path | BinaryIO,
        name: str | None = None,
        most_s: float | None = None,
        *,
        track: int | None = None,
        by_channel: bool = False,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = called_in_messages(source, name)
        self.notes: list[str] = []
        self._most_s, self._track, self._between = most_s, track, between
        self._extension = extension_of(_name_of(source, name))
        self._n_out = 0  # samples that were yielded
        self._n_cut = 0  # of the next ones, those that overlap them
        self.tracks: tuple[Track, ...] = ()
        self.channels: tuple[str, ...] = ()
        self._is_ours = isinstance(source, str | Path)
        self._file = self._opened(source) if isinstance(source, str | Path) else source
        try:
            self._parts = parts_of(self._file, between)
            self._open_part(self._parts[0])
            self._choose_track()
            if by_channel:
                self._hear_channels()
        except BaseException as error:
            self._close()
            if isinstance(error, _CANNOT_READ):
                raise AudioError(self._unreadable()) from None
            raise
        self._resampler = self._new_resampler()
        self.duration_s = self._guessed_s()

    def _opened(self, path: str | Path) -> BinaryIO:
        try:
            return Path(path).open("rb")
        except FileNotFoundError:
            raise AudioError(f"{self.name} does not exist; check the path.") from None
        except IsADirectoryError:
            raise AudioError(f"{self.name} is a folder; give the files in it.") from None
        except PermissionError:
            raise AudioError(f"{self.name} may not be read; check its permissions.") from None
        except (OSError, ValueError):
            raise AudioError(self._unreadable()) from None

    def _guessed_s(self) -> float | None:
        """Return about how long the file is, from its first part."""
        guess_s = guessed_end_s(self._container, self._stream)
        first, last = self._parts[0], self._parts[-1]
        return guess_s * last.end / first.end if guess_s and first.end and last.end else guess_s

    def _close(self) -> None:
        if self._is_ours:
            self._file.close()

    def _open_part(self, part: Part) -> None:
        self._reader = Reader(self._file, self._extension, self._between, part.start, part.end)
        options = {"ignore_length": "1"} if part.is_sound_to_the_end else {}
        self._container = open_container(self._reader, options)
        try:
            self._stream = self._chosen(self._container)
        except AudioError:
            self._container.close()
            raise

    def _chosen(self, container: InputContainer) -> av.AudioStream:
        """Return the sound track that is wanted."""
        tracks = tracks_of(container)
        if not tracks:
            raise AudioError(f"{self.name} has no sound track; give a file with sound.")
        self.tracks = self.tracks or tracks
        number = self._track or next(track.number for track in tracks if track.is_preferred)
        if not 1 <= number <= len(tracks):
            raise AudioError(self._no_such_track(len(tracks)))
        return container.streams.audio[number - 1]

    def _no_such_track(self, n_tracks: int) -> str:
        if n_tracks == 1:
            return f"{self.name} has one sound track only; choose track 1."
        return f"{self.name} has {n_tracks} sound tracks; choose one from 1 to {n_tracks}."

    def _choose_track(self) -> None:
        """Of several tracks take one in which somebody speaks, and say which one that is."""
        if self._track is not None or len(self.tracks) == 1 or not self._file.seekable():
            return
        self._track = spoken_track(self._container) + 1
        if self._reader.stopped is not None:
            raise self._reader.stopped
        self._container.close()
        self._open_part(self._parts[0])
        self.notes.append(
            f"{self.name} has {len(self.tracks)} sound tracks: "
            f"{self.tracks[self._track - 1].name} was transcribed; another one can be chosen "
            "(--audio-track)."
        )

    def _hear_channels(self) -> None:
        if not self._stream.codec_context:  # of a kind that FFmpeg does not know
            raise AudioError(self._unreadable())
        self.channels = tuple(channel.name for channel in self._stream.layout.channels)
        if len(self.channels) > _MOST_CHANNELS:
            raise AudioError(
                f"{self.name} has {len(self.channels)} channels; at most {_MOST_CHANNELS} can be "
                "told apart. Transcribe them together."
            )

    def _new_resampler(self) -> Resampler | ChannelResampler:
        return ChannelResampler(len(self.channels)) if self.channels else Resampler()

    @property
    def kind(self) -> tuple[str, str]:
        """FFmpeg's first name of the format, and its name of the codec."""
        context = self._stream.codec_context  # None where there is no decoder
        return format_of(self._container), context.codec.canonical_name if context else ""

    @property
    def track(self) -> int:
        """Which of its sound tracks is read, from 1."""
        return self._container.streams.audio.index(self._stream) + 1

    @property
    def is_plain(self) -> bool:
        """Whether it is one recording, of the length that its header gives."""
        return len(self._parts) == 1 and not self._parts[0].is_sound_to_the_end

    @property
    def has_picture(self) -> bool:
        """Whether there are pictures beside the sound, not counting that of a cover."""
        pictures = self._container.streams.video
        return any(not one.disposition & Disposition.attached_pic for one in pictures)

    def packets(self) -> Iterator[av.Packet[av.AudioStream]]:
        """Yield what the sound lies in, not decoded; nothing else can be read afterwards."""
        try:
            for packet in self._container.demux(self._stream):
                self._stop_if_told()
                yield packet
        except IndexError:  # PyAV, at the end, where other streams began late
            return
        finally:
            self._container.close()
            self._close()

    def __iter__(self) -> Iterator[Samples]:
        """Yield the pieces; raises AudioError if not one sample came out."""
        pending: list[Samples] = []
        n_pending = n_total = 0
        try:
            for piece in self._pieces():
                pending.append(piece)
                n_pending += piece.shape[-1]
                self._check_most(n_total + n_pending)
                if n_pending >= PIECE_S * SAMPLE_RATE_HZ:
                    n_total += n_pending
                    yield np.concatenate(pending, axis=-1)
                    pending, n_pending = [], 0
        finally:
            self._container.close()
            self._close()
        if n_pending:
            n_total += n_pending
            yield np.concatenate(pending, axis=-1)
        if not n_total:
            raise AudioError(self._unreadable())
        self.duration_s = n_total / SAMPLE_RATE_HZ

    def _pieces(self) -> Iterator[Samples]:
        n_notes = len(self.notes)
        for part in self._parts:
            if part.start:
                self._container.close()
                try:
                    self._open_part(part)
                except (*_CANNOT_READ, AudioError):
                    self.notes.append(self._damaged())
                    return
            damage = Damage(format_of(self._container))
            for frame, at_s in placed(
                self._stamped(part, damage),
                at_s=self._n_out / SAMPLE_RATE_HZ,
                ends_s=self._latest_s(part),
            ):
                if at_s is not None:
                    yield from self._moved_to(at_s)
                yield self._counted(self._heard(frame))
            yield self._counted(self._rest())
            self._note(part, damage)
            if len(self.notes) > n_notes:
                return

    def _stamped(self, part: Part, damage: Damage) -> Iterator[Stamped[av.AudioFrame]]:
        """Yield the frames of a part with their times on the file's clock."""
        name = format_of(self._container)
        has_stamps = name in _STAMPED
        origin_s = None if part.start else self._origin_s()
        for frame in self._frames(damage):
            start_s = None
            if name == "flac" and frame.sample_rate != self._stream.rate:
                has_stamps = False  # these count samples, of the first rate
            if has_stamps and frame.pts is not None and frame.time_base:
                start_s = float(frame.pts * frame.time_base)
                if origin_s is None:  # a later part goes on where the one before ended
                    origin_s = start_s - self._n_out / SAMPLE_RATE_HZ
                start_s -= origin_s
            yield Stamped(frame, start_s, frame.samples / frame.sample_rate)

    def _origin_s(self) -> float:
        """Return what the stamps say at 0 of a player's clock."""
        if format_of(self._container) in _AS_STAMPED:
            return 0.0
        return (self._container.start_time or 0) / 1e6

    def _latest_s(self, part: Part) -> float | None:
        return None if part.start else header_end_s(self._container, self._origin_s())

    def _frames(self, damage: Damage) -> Iterator[av.AudioFrame]:
        for packet in self._packets(damage):
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:  # each decoder has errors of its own
                if damage.lost(packet):
                    continue
                return
            except _CANNOT_READ:
                damage.ended()
                return
            for frame in frames:
                if isinstance(frame, av.AudioFrame) and frame.samples and frame.sample_rate:
                    self._check_rate(frame.sample_rate)
                    damage.read()
                    yield frame

    def _packets(self, damage: Damage) -> Iterator[av.Packet[av.AudioStream]]:
        """Yield the packets of the track, those behind damage too."""
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    self._stop_if_told()
                    yield packet
                self._stop_if_told()
                return
            except IndexError:  # as in packets
                continue
            except (av.error.InvalidDataError, av.error.BlockingIOError):  # none yet, of TS
                if not damage.lost():
                    return
            except _CANNOT_READ:
                damage.ended()
                return

    def _stop_if_told(self) -> None:
        if self._reader.stopped is not None:
            raise self._reader.stopped
        self._between()

    def _heard(self, frame: av.AudioFrame) -> Samples:
        """Return the samples that a frame brings."""
        try:
            return self._resampler.push(frame)
        except ValueError:  # such as samples of 64 bits
            raise AudioError(self._unreadable()) from None

    def _rest(self) -> Samples:
        """Return the samples of the last frame that are still to come; the next begins anew."""
        rest = self._resampler.flush()
        self._resampler = self._new_resampler()
        return rest

    def _moved_to(self, at_s: float) -> Iterator[Samples]:
        """Yield silence up to a time; what comes next is cut if that has passed."""
        yield self._counted(self._rest())
        n_missing = round(at_s * SAMPLE_RATE_HZ) - self._n_out
        self._n_cut = max(0, -n_missing)
        while n_missing > 0:
            self._between()
            n_now = min(n_missing, int(PIECE_S * SAMPLE_RATE_HZ))
            n_missing -= n_now
            shape = (len(self.channels), n_now) if self.channels else (n_now,)
            yield self._counted(np.zeros(shape, np.float32))

    def _counted(self, samples: Samples) -> Samples:
        n_cut = min(self._n_cut, samples.shape[-1])
        self._n_cut -= n_cut
        self._n_out += samples.shape[-1] - n_cut
        return samples[..., n_cut:]

    def _check_rate(self, rate_hz: int) -> None:
        """A header that lies about the rate turns a small file into hours, or into more
        memory than there is."""
        if rate_hz not in RATES_HZ:
            raise AudioError(
                f"{self.name} says that it has {rate_hz} samples a second, which no recording "
                "has; its header is damaged. Convert the original again."
            )

    def _check_most(self, n_samples: int) -> None:
        """A small file can hold hours: silence packs to nothing."""
        if self._most_s is not None and n_samples > self._most_s * SAMPLE_RATE_HZ:
            raise too_long(self.name, self._most_s)

    def _note(self, part: Part, damage: Damage) -> None:
        """Say what of a part that was read is missing."""
        seconds = self._n_out / SAMPLE_RATE_HZ
        announced_s = announced_end_s(self._container, self._stream, part, self._file, seconds)
        if damage.is_inside:
            self.notes.append(self._damaged())
        elif announced_s and seconds < 0.99 * announced_s - 1:
            self.notes.append(
                f"{self.name} breaks off: {seconds:.0f} s of the announced {announced_s:.0f} s "
                "could be read and were transcribed."
            )
        elif part.is_cut:
            self.notes.append(
                f"{self.name} breaks off after {seconds:.0f} s; what could be read was transcribed."
            )
        elif damage.is_at_end:
            self.notes.append(self._damaged())

    def _damaged(self) -> str:
        return (
            f"{self.name} is damaged: what could be read of it was transcribed, the rest is lost."
        )

    def _unreadable(self) -> str:
        return (
            f"{self.name} holds no sound that can be read: it is empty, damaged or no audio "
            "file; try converting it to WAV or MP3."
        )


def decode(
    source: str | Path | BinaryIO, name: str | None = None, most_s: float | None = None
) -> Samples:
    """All of a file's sound at once: (n_samples,) float32, for short recordings.

    Never holds more than ``most_s`` and a piece, if that is given.

    Raises:
        AudioError: see :class:`AudioFile`.
    """
    return np.concatenate(list(AudioFile(source, name, most_s)))
