"""How much was lost on the way, so that something of its length can take its place."""

from __future__ import annotations

import av

__all__ = ["LONGEST_GAP_S", "Gaps"]

LONGEST_GAP_S = 120.0
"""A longer jump is no loss but another clock: the source began anew."""

_ROUNDING_S = 0.001


class Gaps:
    """Watches the time stamps of consecutive frames; not for two threads at once."""

    def __init__(self) -> None:
        self._next: float | None = None

    def before(self, frame: av.AudioFrame) -> float:
        """Seconds between the end of the last frame and the beginning of this one; 0 where
        frames carry no time stamps, overlap, or begin anew."""
        if frame.pts is None or not frame.time_base or not frame.sample_rate:
            self._next = None
            return 0.0
        begins = frame.pts * float(frame.time_base)
        expected = self._next
        self._next = begins + frame.samples / frame.sample_rate
        if expected is None or not _ROUNDING_S < begins - expected <= LONGEST_GAP_S:
            return 0.0
        return round(begins - expected, 6)
