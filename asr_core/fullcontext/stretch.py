"""From where to where a file is transcribed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import AudioFile
from asr_core.errors import AudioError

__all__ = ["WHOLE", "Pieces", "Stretch", "samples_of"]


@dataclass(frozen=True)
class Stretch:
    """Seconds of a file; up to its end if ``end_s`` is None.

    Raises:
        AudioError: it ends before it begins.
    """

    start_s: float = 0.0
    end_s: float | None = None

    def __post_init__(self) -> None:
        if self.end_s is not None and self.end_s <= self.start_s:
            raise AudioError("The range ends before it begins; choose a later end.")

    def at_most(self, seconds: float | None) -> Stretch:
        """No longer than that; None is no limit."""
        if seconds is None or (self.end_s is not None and self.end_s - self.start_s <= seconds):
            return self
        return Stretch(self.start_s, self.start_s + seconds)

    def length_in(self, duration_s: float | None) -> float | None:
        """Seconds of it in a file of ``duration_s``, if that is known."""
        ends = [end for end in (self.end_s, duration_s) if end is not None]
        return max(0.0, min(ends) - self.start_s) if ends else None


WHOLE = Stretch()


class Pieces:
    """A stretch of an audio file, (n_samples,) float32 at a time or, where channels are heard
    one by one, (n_channels, n_samples); to be read once.

    Args:
        most_s: no more than so many seconds are read; what is left out is noted.

    Attributes:
        seconds: where in the file the reading is.
    """

    def __init__(self, audio: AudioFile, stretch: Stretch, most_s: float | None = None) -> None:
        self._audio = audio
        self._stretch, self._most_s = stretch.at_most(most_s), most_s
        self._is_cut = self._stretch != stretch
        self.seconds = 0.0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Raises AudioError if the file ends before the stretch begins."""
        first = round(self._stretch.start_s * SAMPLE_RATE_HZ)
        end_s = self._stretch.end_s
        after = None if end_s is None else round(end_s * SAMPLE_RATE_HZ)
        n_before = 0
        for piece in self._audio:
            wanted = piece[..., max(0, first - n_before) :]
            n_before += piece.shape[-1]
            if after is not None and n_before > after:
                wanted = wanted[..., : after - n_before]
                n_before = after
            self.seconds = n_before / SAMPLE_RATE_HZ
            if wanted.shape[-1]:
                yield wanted
            if n_before == after:
                self._note_cut()
                return
        if n_before <= first:
            raise AudioError(
                f"{self._audio.name} lasts {self.seconds:.0f} s only; begin before that."
            )

    def _note_cut(self) -> None:
        if self._is_cut and self._most_s is not None:
            self._audio.notes.append(
                f"{self._audio.name} is longer than the {self._most_s / 60:.0f} minutes that are "
                "heard at once here; the rest was left out. Choose a range to hear it."
            )


def samples_of(source: BinaryIO, stretch: Stretch, name: str) -> NDArray[np.float32]:
    """Return the (n_samples,) of ``stretch`` of a file; ``name`` is for messages.

    Raises:
        AudioError: the file cannot be read or ends before.
    """
    return np.concatenate(list(Pieces(AudioFile(source, name), stretch)))
