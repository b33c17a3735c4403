"""Decoding of any file that FFmpeg reads to mono 16 kHz float32, block by block."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.concatenation import MAX_SECTIONS, find_sections
from asr_core.audio.containers import file_extension
from asr_core.audio.file_messages import (
    damaged_note,
    display_name,
    full_name,
    no_such_track_error,
    sample_rate_error,
    too_long_error,
    track_choice_note,
    unreadable_error,
)
from asr_core.audio.header_duration import declared_audio_end_s, estimate_duration_s
from asr_core.audio.resample import RATES_HZ, ChannelResampler, Resampler
from asr_core.audio.section_reader import READ_ERRORS, SectionReader
from asr_core.audio.sections import BoundedReader, FileSection
from asr_core.audio.timeline import TimedFrame, place_frames
from asr_core.audio.tracks import AudioTrack, find_spoken_track, list_tracks
from asr_core.errors import AudioError

__all__ = ["BLOCK_S", "AudioFile", "decode"]

Samples = NDArray[np.float32]

BLOCK_S = 10.0
"""Duration of the blocks that are yielded: short beside a batch, long beside a frame."""

_MAX_CHANNELS = 16
"""Channels that may be read separately: each takes as much memory as a mono file."""

_TIME_STAMPED_FORMATS = frozenset({
    "asf", "dhav", "flac", "flv", "gxf", "live_flv", "matroska", "mov", "mpeg", "mpegts", "mxf",
    "nut", "nuv", "ogg", "rm", "wtv",
})  # fmt: skip
"""Formats that store time stamps. In others the audio has no gaps, and FFmpeg computes stamps from
sample counts or bit rates."""


class AudioFile:
    """Audio of one file, decoded while it is read: memory does not grow with its length.

    Iterating yields (n_samples,) float32 blocks of about ten seconds; once only, in one
    thread. The first sample is at 0 of a player's clock; gaps in the file become silence.
    Damage is skipped, and described in ``notes`` afterwards.

    Args:
        source: a path, or an open binary file that can seek.
        name: the file's name in messages; the path's name by default.
        max_duration_s: the longest audio accepted; more is refused while it is read, whatever
            the header declares. None for any duration.
        track: number of the audio track, from 1; None for the default track or, if nobody
            speaks in it, one in which somebody does.
        split_channels: yield (n_channels, n_samples) blocks, every channel separately.
        check_cancelled: called several times a second while the file is opened and read; what
            it raises is passed on.

    Attributes:
        notes: sentences for the user about tracks and damage.
        tracks: all audio tracks of the file.
        channels: FFmpeg's names of the separate channels; empty unless they are split.
        duration_s: an estimate until the file has been read.

    Raises:
        AudioError: the file cannot be opened, is not audio, has no audio or too much of it.
    """

    def __init__(
        self,
        source: str | Path | BinaryIO,
        name: str | None = None,
        max_duration_s: float | None = None,
        *,
        track: int | None = None,
        split_channels: bool = False,
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = display_name(source, name)
        self.notes: list[str] = []
        self._max_duration_s, self._track_number = max_duration_s, track
        self._check_cancelled = check_cancelled
        self._extension = file_extension(full_name(source, name))
        self._n_yielded = 0  # samples
        self._n_overlapping = 0  # samples to cut from the next ones
        self.tracks: tuple[AudioTrack, ...] = ()
        self.channels: tuple[str, ...] = ()
        self._owns_file = isinstance(source, str | Path)
        self._file = self._open_path(source) if isinstance(source, str | Path) else source
        try:
            self._sections = find_sections(self._file, check_cancelled)
            self._open_section(self._sections[0])
            self._choose_spoken_track()
            if split_channels:
                self._read_channel_names()
        except BaseException as error:
            self._close_file()
            if isinstance(error, READ_ERRORS):
                raise unreadable_error(self.name) from None
            raise
        self._resampler = self._new_resampler()
        self.duration_s = self._estimate_duration_s()

    def _open_path(self, path: str | Path) -> BinaryIO:
        try:
            return Path(path).open("rb")
        except FileNotFoundError:
            raise AudioError(f"{self.name} does not exist; check the path.") from None
        except IsADirectoryError:
            raise AudioError(f"{self.name} is a folder; give the files in it.") from None
        except PermissionError:
            raise AudioError(f"{self.name} may not be read; check its permissions.") from None
        except (OSError, ValueError):
            raise unreadable_error(self.name) from None

    def _estimate_duration_s(self) -> float | None:
        """Return the duration of the first section, scaled by size to all of them."""
        estimate_s = estimate_duration_s(self._reader.container, self._reader.stream)
        first, last = self._sections[0], self._sections[-1]
        if estimate_s and first.end and last.end:
            return estimate_s * last.end / first.end
        return estimate_s

    def _close_file(self) -> None:
        if self._owns_file:
            self._file.close()

    # --- tracks and channels -----------------------------------------------------------

    def _open_section(self, section: FileSection) -> None:
        self._reader = SectionReader(self._file, self._extension, section, self._check_cancelled)
        try:
            self._reader.stream = self._select_stream()
        except AudioError:
            self._reader.close()
            raise

    def _select_stream(self) -> av.AudioStream:
        """Return the stream of the track asked for, or of the file's default track."""
        container = self._reader.container
        tracks = list_tracks(container)
        if not tracks:
            raise AudioError(f"{self.name} has no sound track; give a file with sound.")
        self.tracks = self.tracks or tracks
        number = self._track_number or next(t.number for t in tracks if t.is_default)
        if not 1 <= number <= len(tracks):
            raise no_such_track_error(self.name, len(tracks))
        return container.streams.audio[number - 1]

    def _choose_spoken_track(self) -> None:
        """Switch to a track with speech if there are several and none was asked for."""
        if self._track_number is not None or len(self.tracks) == 1 or not self._file.seekable():
            return
        self._track_number = find_spoken_track(self._reader.container) + 1
        self._reader.raise_if_stopped()
        self._reader.close()
        self._open_section(self._sections[0])
        self.notes.append(track_choice_note(self.name, self.tracks, self._track_number))

    def _read_channel_names(self) -> None:
        stream = self._reader.stream
        if not stream.codec_context:  # FFmpeg has no decoder
            raise unreadable_error(self.name)
        self.channels = tuple(channel.name for channel in stream.layout.channels)
        if len(self.channels) > _MAX_CHANNELS:
            raise AudioError(
                f"{self.name} has {len(self.channels)} channels; at most {_MAX_CHANNELS} can be "
                "told apart. Transcribe them together."
            )

    @property
    def format_and_codec(self) -> tuple[str, str]:
        """FFmpeg's first name for the container format, and its name for the codec."""
        context = self._reader.stream.codec_context  # None without a decoder
        return self._reader.format_name, context.codec.canonical_name if context else ""

    @property
    def track(self) -> int:
        """Number of the audio track that is read, from 1."""
        return self._reader.container.streams.audio.index(self._reader.stream) + 1

    @property
    def is_single_recording(self) -> bool:
        """True for one recording whose header tells its length, as players expect; may read all."""
        first = self._sections[0]
        if first.following and self._file.seekable():
            position = self._file.tell()
            reader = BoundedReader(self._file, self._check_cancelled)
            following = reader.find(first.following, first.start + 1)
            self._file.seek(position)
            return following is None
        return len(self._sections) == 1 and not first.ignores_length

    @property
    def has_pauses(self) -> bool:
        """True if the file interrupts its audio; FFmpeg, and so Chromium, plays other audio there."""
        return bool(self._reader.pauses)

    @property
    def has_video(self) -> bool:
        """True if there is video; cover art does not count."""
        videos = self._reader.container.streams.video
        return any(not video.disposition & Disposition.attached_pic for video in videos)

    # --- reading -----------------------------------------------------------------------

    def packets(self) -> Iterator[av.Packet[av.AudioStream]]:
        """Yield the undecoded audio packets; afterwards nothing else can be read."""
        try:
            yield from self._reader.packets()
        finally:
            self._reader.close()
            self._close_file()

    def __iter__(self) -> Iterator[Samples]:
        """Yield the blocks.

        Raises:
            AudioError: not one sample could be decoded, or there are too many.
        """
        pending: list[Samples] = []
        n_pending = n_total = 0
        try:
            for samples in self._decoded():
                pending.append(samples)
                n_pending += samples.shape[-1]
                self._check_duration(n_total + n_pending)
                if n_pending >= BLOCK_S * SAMPLE_RATE_HZ:
                    n_total += n_pending
                    yield np.concatenate(pending, axis=-1)
                    pending, n_pending = [], 0
        finally:
            self._reader.close()
            self._close_file()
        if n_pending:
            n_total += n_pending
            yield np.concatenate(pending, axis=-1)
        if not n_total:
            raise unreadable_error(self.name)
        self.duration_s = n_total / SAMPLE_RATE_HZ

    def _decoded(self) -> Iterator[Samples]:
        """Yield the samples of every section."""
        sections, n = deque(self._sections), 0
        while sections:
            section, n = sections.popleft(), n + 1
            if n > 1 and not self._reopen(section):
                continue
            starts_s = self._n_yielded / SAMPLE_RATE_HZ
            yield from self._section_samples(starts_s)
            if self._reader.following is not None and n < MAX_SECTIONS:
                sections.append(self._reader.following)
            self._note_losses(starts_s, is_last=not sections)

    def _reopen(self, section: FileSection) -> bool:
        """Open a later section and return True if it can be read."""
        self._reader.close()
        try:
            self._open_section(section)
        except (*READ_ERRORS, AudioError):
            self._add_note(damaged_note(self.name))
            return False
        return True

    def _section_samples(self, starts_s: float) -> Iterator[Samples]:
        """Yield the samples of the open section, which starts at ``starts_s``."""
        for frame, at_s in place_frames(
            self._timed_frames(), at_s=starts_s, ends_s=self._reader.declared_end_s
        ):
            if at_s is not None:
                yield from self._move_to(at_s)
            yield self._cut_overlap(self._resample(frame))
        yield self._cut_overlap(self._flush_resampler())

    def _timed_frames(self) -> Iterator[TimedFrame[av.AudioFrame]]:
        """Yield the frames of the open section with their times on the file's clock."""
        reader = self._reader
        is_stamped = reader.format_name in _TIME_STAMPED_FORMATS
        origin_s = None if reader.section.start else reader.origin_s
        for frame in reader.frames():
            if frame.sample_rate not in RATES_HZ:
                # The header of a small file may claim hours, or more memory than there is.
                raise sample_rate_error(self.name, frame.sample_rate)
            start_s = None
            if reader.format_name == "flac" and frame.sample_rate != reader.stream.rate:
                is_stamped = False  # its stamps count samples of the first rate
            if is_stamped and frame.pts is not None and frame.time_base:
                start_s = float(frame.pts * frame.time_base)
                if any(pause.contains(start_s) for pause in reader.pauses):
                    continue
                if origin_s is None:  # a later section starts where the one before ended
                    origin_s = start_s - self._n_yielded / SAMPLE_RATE_HZ
                start_s -= origin_s
            yield TimedFrame(frame, start_s, frame.samples / frame.sample_rate)

    def _new_resampler(self) -> Resampler | ChannelResampler:
        return ChannelResampler(len(self.channels)) if self.channels else Resampler()

    def _resample(self, frame: av.AudioFrame) -> Samples:
        try:
            return self._resampler.push(frame)
        except ValueError:  # such as 64-bit samples
            raise unreadable_error(self.name) from None

    def _flush_resampler(self) -> Samples:
        """Return the end of the filter's output, and start a new one."""
        rest = self._resampler.flush()
        self._resampler = self._new_resampler()
        return rest

    def _move_to(self, at_s: float) -> Iterator[Samples]:
        """Yield silence up to ``at_s``, or cut the next samples if that time has passed."""
        yield self._cut_overlap(self._flush_resampler())
        n_missing = round(at_s * SAMPLE_RATE_HZ) - self._n_yielded
        self._n_overlapping = max(0, -n_missing)
        while n_missing > 0:
            self._check_cancelled()
            n_now = min(n_missing, int(BLOCK_S * SAMPLE_RATE_HZ))
            n_missing -= n_now
            shape = (len(self.channels), n_now) if self.channels else (n_now,)
            yield self._cut_overlap(np.zeros(shape, np.float32))

    def _cut_overlap(self, samples: Samples) -> Samples:
        """Return ``samples`` without those that overlap what was yielded, and count them."""
        n_cut = min(self._n_overlapping, samples.shape[-1])
        self._n_overlapping -= n_cut
        self._n_yielded += samples.shape[-1] - n_cut
        return samples[..., n_cut:]

    def _check_duration(self, n_samples: int) -> None:
        """Raise AudioError if there are too many samples: a small file can hold hours of silence."""
        if self._max_duration_s is not None and n_samples > self._max_duration_s * SAMPLE_RATE_HZ:
            raise too_long_error(self.name, self._max_duration_s)

    def _note_losses(self, starts_s: float, *, is_last: bool) -> None:
        """Add a note if some of the open section, which starts at ``starts_s``, is missing."""
        reader = self._reader
        end_s = self._n_yielded / SAMPLE_RATE_HZ
        decoded_s = end_s - starts_s
        declared_s = declared_audio_end_s(
            reader.container, reader.stream, reader.section, self._file, decoded_s
        )
        is_short = declared_s is not None and decoded_s < 0.99 * declared_s - 1
        is_cut = is_short or reader.section.is_truncated
        if reader.errors.is_inside or (is_cut and not is_last):
            self._add_note(damaged_note(self.name))
        elif declared_s is not None and is_short:
            self._add_note(
                f"{self.name} breaks off: {end_s:.0f} s of the announced "
                f"{starts_s + declared_s:.0f} s could be read and were transcribed."
            )
        elif is_cut:
            self._add_note(
                f"{self.name} breaks off after {end_s:.0f} s; what could be read was transcribed."
            )
        elif reader.errors.is_at_end:
            self._add_note(damaged_note(self.name))

    def _add_note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def decode(
    source: str | Path | BinaryIO, name: str | None = None, max_duration_s: float | None = None
) -> Samples:
    """Return all audio of a short recording at once: (n_samples,) float32, mono 16 kHz.

    Raises:
        AudioError: as for :class:`AudioFile`; too long before more than ``max_duration_s``
            and a block are in memory.
    """
    return np.concatenate(list(AudioFile(source, name, max_duration_s)))
