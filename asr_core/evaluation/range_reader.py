"""Reading of many ranges of one recording in a single decoding pass."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import AudioFile
from asr_core.audio.file_messages import too_long_error
from asr_core.errors import AsrError, AudioError
from asr_core.full_context.time_range import TimeRange

__all__ = ["SequentialRangeReader"]

Samples = NDArray[np.float32]

# Durations in tables are rounded: a range may end this much after its file, and one that ends
# this little before the end extends to it.
_MISSING_S = 0.5
_LEFT_S = 0.01


class SequentialRangeReader:
    """Ranges of ``audio``, requested in the order of their starts.

    Holds no more than the longest of them and one piece.

    Args:
        audio: read once.
        most_s: longest range allowed, seconds.
    """

    def __init__(self, audio: AudioFile, most_s: float) -> None:
        self._name = audio.name
        self._pieces = iter(audio)
        self._most_s = most_s
        self._held: deque[Samples] = deque()
        self._first = self._after = 0  # samples before what is held, and to its end
        self._failed: AsrError | None = None
        self._is_over = False

    def samples(self, time_range: TimeRange) -> Samples:
        """Return the (n_samples,) of ``time_range``.

        Raises:
            AudioError: the file cannot be read or ends before, or the range is too long.
        """
        first = round(time_range.start_s * SAMPLE_RATE_HZ)
        last = None if time_range.end_s is None else round(time_range.end_s * SAMPLE_RATE_HZ)
        most = round(self._most_s * SAMPLE_RATE_HZ)
        assert first >= self._first, "ranges are requested in order"
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
        """Decode until ``last`` or the end, and drop what lies before ``first``."""
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
        lasts = f"{self._name} lasts only {self._after / SAMPLE_RATE_HZ:.1f} s"
        if self._after <= first:
            raise AudioError(f"{lasts}; this range begins at {first / SAMPLE_RATE_HZ:.1f} s.")
        end = self._after if last is None else min(last, self._after)
        if end - first > most:
            what = self._name if first == 0 and last is None else f"This range of {self._name}"
            raise too_long_error(what, self._most_s)
        missing_s = ((last or 0) - self._after) / SAMPLE_RATE_HZ
        if first > 0 and missing_s > _MISSING_S:
            raise AudioError(f"{lasts}; this range ends {missing_s:.1f} s after that.")
