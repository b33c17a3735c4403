"""Many stretches of one recording, decoded in one pass."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import AudioFile, too_long
from asr_core.errors import AsrError, AudioError
from asr_core.fullcontext.stretch import Stretch

__all__ = ["StretchReader"]

Samples = NDArray[np.float32]

# Lengths in tables are rounded: a stretch may end after its file by so much, and one that ends
# so little before it goes to its end.
_MISSING_S = 0.5
_LEFT_S = 0.01


class StretchReader:
    """Stretches of ``audio``, asked for in the order in which they begin.

    Holds no more than the longest of them and a piece.

    Args:
        most_s: how long a stretch may be.
    """

    def __init__(self, audio: AudioFile, most_s: float) -> None:
        self._name = audio.name
        self._pieces = iter(audio)
        self._most_s = most_s
        self._held: deque[Samples] = deque()
        self._first = self._after = 0  # samples before what is held, and to its end
        self._failed: AsrError | None = None
        self._is_over = False

    def samples(self, stretch: Stretch) -> Samples:
        """Return the (n_samples,) of ``stretch``.

        Raises:
            AudioError: the file can't be read, ends before, or the stretch is too long.
        """
        first = round(stretch.start_s * SAMPLE_RATE_HZ)
        last = None if stretch.end_s is None else round(stretch.end_s * SAMPLE_RATE_HZ)
        most = round(self._most_s * SAMPLE_RATE_HZ)
        assert first >= self._first, "stretches come in order"
        enough = first + most + 1
        if last is not None:
            enough = min(enough, last + round(_LEFT_S * SAMPLE_RATE_HZ) + 1)
        self._read(first, enough)
        if self._failed is not None:
            raise self._failed
        self._check(first, last, most)
        held = np.concatenate(self._held)[first - self._first :]
        is_to_the_end = last is None or (self._is_over and self._after < enough)
        return held if is_to_the_end else held[: (last or 0) - first]

    def _read(self, first: int, last: int) -> None:
        """Hold what is from ``first`` to ``last``, as far as there is so much."""
        while self._held and self._first + len(self._held[0]) <= first:
            self._first += len(self._held.popleft())
        while self._after < last and not self._is_over:
            try:
                piece = next(self._pieces, None)
            except AsrError as error:
                self._failed, piece = error, None
            if piece is None:
                self._is_over = True
                return
            self._after += len(piece)
            if self._after > first:
                self._held.append(piece)
            else:
                self._first = self._after

    def _check(self, first: int, last: int | None, most: int) -> None:
        lasts = f"{self._name} lasts {self._after / SAMPLE_RATE_HZ:.1f} s only"
        if self._after <= first:
            raise AudioError(f"{lasts}; this stretch begins at {first / SAMPLE_RATE_HZ:.1f} s.")
        end = self._after if last is None else min(last, self._after)
        if end - first > most:
            what = self._name if first == 0 and last is None else f"This stretch of {self._name}"
            raise too_long(what, self._most_s)
        missing_s = ((last or 0) - self._after) / SAMPLE_RATE_HZ
        if first > 0 and missing_s > _MISSING_S:
            raise AudioError(f"{lasts}; this stretch ends {missing_s:.1f} s after that.")
