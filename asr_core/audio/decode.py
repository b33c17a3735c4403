"""Any file that FFmpeg reads → mono 16 kHz float32, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.allocations import limit_allocations
from asr_core.audio.resample import Resampler
from asr_core.errors import AudioError
from asr_core.plain_text import shortened

__all__ = ["AudioFile", "decode"]

Samples = NDArray[np.float32]

_LOWEST_HZ, _HIGHEST_HZ = 1000, 1_000_000
_LONGEST_NAME = 200  # characters, in messages

PIECE_S = 10.0
"""Length of the pieces handed out: small beside a batch, large beside a frame."""


class AudioFile:
    """One file's sound, decoded while it is read: memory does not grow with it.

    Iterating yields (n_samples,) float32 pieces of about ten seconds and may
    be done once, in one thread. Damage inside the file is stepped over; what
    was lost stands in ``notes`` afterwards.

    Args:
        source: a path, or an open binary file that can seek.
        name: what to call the file in messages; the path's name by default.
        most_s: how many seconds of sound are taken; a longer file is refused while it is
            read, whatever its header says. None for any length.

    Raises:
        AudioError: the file cannot be opened, is no audio, has no sound or too much of it.
    """

    def __init__(
        self, source: str | Path | BinaryIO, name: str | None = None, most_s: float | None = None
    ) -> None:
        called = name or (Path(source).name if isinstance(source, str | Path) else "the file")
        self.name = shortened(called, _LONGEST_NAME)
        self.notes: list[str] = []
        self._most_s = most_s
        limit_allocations()
        try:
            file = str(source) if isinstance(source, Path) else source
            self._container = av.open(file, "r", metadata_errors="ignore")
        except FileNotFoundError:
            raise AudioError(f"{self.name} does not exist; check the path.") from None
        except IsADirectoryError:
            raise AudioError(f"{self.name} is a folder; give the files in it.") from None
        except PermissionError:
            raise AudioError(f"{self.name} may not be read; check its permissions.") from None
        except (av.error.FFmpegError, OSError, ValueError, MemoryError):
            raise AudioError(self._unreadable()) from None
        if not self._container.streams.audio:
            self._container.close()
            raise AudioError(f"{self.name} has no sound track; give a file with sound.")
        self._stream = self._container.streams.audio[0]
        self.duration_s = self._announced_duration()

    @property
    def kind(self) -> tuple[str, str]:
        """FFmpeg's first name of the format, and its name of the codec."""
        codec = self._stream.codec_context.codec.canonical_name
        return self._container.format.name.partition(",")[0], codec

    @property
    def has_picture(self) -> bool:
        """Whether there are pictures beside the sound, not counting that of a cover."""
        pictures = self._container.streams.video
        return any(not one.disposition & av.stream.Disposition.attached_pic for one in pictures)

    def packets(self) -> Iterator[av.Packet[av.AudioStream]]:
        """Yield what the sound lies in, not decoded; nothing else can be read afterwards."""
        with self._container:
            yield from self._container.demux(self._stream)

    def __iter__(self) -> Iterator[Samples]:
        """Yield the pieces; raises AudioError if not one sample came out."""
        pending: list[Samples] = []
        n_pending = n_total = 0
        with self._container:
            for piece in self._pieces():
                pending.append(piece)
                n_pending += len(piece)
                self._check_most(n_total + n_pending)
                if n_pending >= PIECE_S * SAMPLE_RATE_HZ:
                    n_total += n_pending
                    yield np.concatenate(pending)
                    pending, n_pending = [], 0
        if n_pending:
            n_total += n_pending
            yield np.concatenate(pending)
        if not n_total:
            raise AudioError(self._unreadable())
        self._check_length(n_total / SAMPLE_RATE_HZ)

    def _pieces(self) -> Iterator[Samples]:
        resampler = Resampler()
        n_bad = 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                frames = packet.decode() if packet is not None else []
            except av.error.EOFError:
                break
            except av.error.InvalidDataError:
                n_bad += 1
                if n_bad > 1000:
                    break
                continue
            except (av.error.FFmpegError, OSError, ValueError, MemoryError):
                n_bad += 1
                break
            if packet is None:
                break
            for frame in frames:
                if isinstance(frame, av.AudioFrame) and frame.samples and frame.sample_rate:
                    self._check_rate(frame.sample_rate)
                    yield self._heard(frame, resampler)
        yield resampler.flush()
        if n_bad:
            self.notes.append(
                f"{self.name} is damaged: what could be read of it was transcribed, the rest is lost."
            )

    def _heard(self, frame: av.AudioFrame, resampler: Resampler) -> Samples:
        try:
            return resampler.push(frame)
        except ValueError:  # such as samples of 64 bits
            raise AudioError(self._unreadable()) from None

    def _check_rate(self, rate_hz: int) -> None:
        """A header that lies about the rate turns a small file into hours, or into more
        memory than there is."""
        if not _LOWEST_HZ <= rate_hz <= _HIGHEST_HZ:
            raise AudioError(
                f"{self.name} says that it has {rate_hz} samples a second, which no recording "
                "has; its header is damaged. Convert the original again."
            )

    def _check_most(self, n_samples: int) -> None:
        """A small file can hold hours: silence packs to nothing."""
        if self._most_s is not None and n_samples > self._most_s * SAMPLE_RATE_HZ:
            raise AudioError(
                f"{self.name} is longer than {self._most_s:.0f} s, which is the most that is "
                "taken here; cut it into parts."
            )

    def _announced_duration(self) -> float | None:
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration:
            return float(self._container.duration / 1_000_000)
        return None

    def _check_length(self, seconds: float) -> None:
        """Note a file that ends well before the length that its header gives."""
        announced = self.duration_s
        if announced and seconds < 0.9 * announced - 1 and not self.notes:
            self.notes.append(
                f"{self.name} breaks off: {seconds:.0f} s of the announced {announced:.0f} s "
                "could be read and were transcribed."
            )
        self.duration_s = seconds

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
