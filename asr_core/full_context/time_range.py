"""Part of a file that is transcribed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import AudioFile
from asr_core.audio.samples import AudioSamples
from asr_core.errors import AudioError

__all__ = ["WHOLE_FILE", "RangeReader", "TimeRange", "read_range"]


@dataclass(frozen=True)
class TimeRange:
    """Time range of a file in seconds, to its end if ``end_s`` is None.

    Raises:
        AudioError: the range ends before it begins.
    """

    start_s: float = 0.0
    end_s: float | None = None

    def __post_init__(self) -> None:
        if self.end_s is not None and self.end_s <= self.start_s:
            raise AudioError("The range ends before it begins; choose a later end.")

    def at_most(self, seconds: float | None) -> TimeRange:
        """Return the range cut to at most ``seconds``; None is no limit."""
        if seconds is None or (self.end_s is not None and self.end_s - self.start_s <= seconds):
            return self
        return TimeRange(self.start_s, self.start_s + seconds)

    def length_in(self, duration_s: float | None) -> float | None:
        """Return its seconds in a file of ``duration_s``; None if unknown and open-ended."""
        ends = [end for end in (self.end_s, duration_s) if end is not None]
        return max(0.0, min(ends) - self.start_s) if ends else None


WHOLE_FILE = TimeRange()


class RangeReader:
    """Pieces of a time range of an audio file; to be iterated once.

    Each is (n_samples,) float32, or (n_channels, n_samples) if channels are split.

    Args:
        audio: iterable of pieces.
        time_range: the part to read.
        max_s: longest duration read, seconds; a note says if there was more.

    Attributes:
        position_s: end of what was read, in seconds of the file.
    """

    def __init__(
        self, audio: AudioFile | AudioSamples, time_range: TimeRange, max_s: float | None = None
    ) -> None:
        self._audio = audio
        self._time_range, self._max_s = time_range.at_most(max_s), max_s
        self._is_cut = self._time_range != time_range
        self.position_s = 0.0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield the pieces of the range.

        Raises:
            AudioError: the file ends before the range begins.
        """
        first = round(self._time_range.start_s * SAMPLE_RATE_HZ)
        end_s = self._time_range.end_s
        after = None if end_s is None else round(end_s * SAMPLE_RATE_HZ)
        n_before = 0
        for piece in self._audio:
            wanted = piece[..., max(0, first - n_before) :]
            n_before += piece.shape[-1]
            if after is not None and n_before > after:
                wanted = wanted[..., : after - n_before]
                n_before = after
            self.position_s = n_before / SAMPLE_RATE_HZ
            if wanted.shape[-1]:
                yield wanted
            if n_before == after:
                self._note_cut()
                return
        if n_before <= first:
            raise AudioError(
                f"{self._audio.name} lasts {self.position_s:.0f} s only; begin before that."
            )

    def _note_cut(self) -> None:
        if self._is_cut and self._max_s is not None:
            self._audio.notes.append(
                f"{self._audio.name} is longer than the {self._max_s / 60:.0f} minutes that are "
                "transcribed at once here; the rest was left out. Choose a range to transcribe it."
            )


def read_range(source: BinaryIO, time_range: TimeRange, name: str) -> NDArray[np.float32]:
    """Return the (n_samples,) of a range of a file; ``name`` is for messages.

    Raises:
        AudioError: the file cannot be read, or ends before the range begins.
    """
    return np.concatenate(list(RangeReader(AudioFile(source, name), time_range)))
