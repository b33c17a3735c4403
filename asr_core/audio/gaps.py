"""How much was lost on the way, so that something of its length can take its place.

Time stamps are the sender's word. Sound is not lost faster than time passes, so what
was heard and what is put in place of losses never add up to more than the time since the
first frame and a little: whatever the stamps say, nothing can be made to grow by them.
"""

from __future__ import annotations

import av

__all__ = ["LONGEST_GAP_S", "SLACK_S", "Gaps"]

LONGEST_GAP_S = 120.0
"""A longer jump is no loss but another clock: the source began anew."""

SLACK_S = 5.0
"""Sound may be ahead of the clock by so much: what a network held back comes at once."""

_ROUNDING_S = 0.001


class Gaps:
    """Watches the time stamps of consecutive frames; not for two threads at once.

    Attributes:
        unbelieved_s: of all gaps what the stamps claim beyond what can have been lost.
    """

    def __init__(self) -> None:
        self.unbelieved_s = 0.0
        self._next: float | None = None  # where the next frame should begin, by the stamps
        self._began: float | None = None  # when the first frame came, on the caller's clock
        self._sum_s = 0.0  # of frames and gaps since then

    def before(self, frame: av.AudioFrame, now: float) -> float:
        """Seconds between the end of the last frame and the beginning of this one; 0 where
        frames carry no time stamps, overlap, or begin anew.

        Args:
            now: seconds, monotonic; when the frame came.
        """
        if not frame.sample_rate:
            return 0.0
        if self._began is None:
            self._began = now
        claimed_s = self._stamped(frame)
        lost_s = min(claimed_s, self._credible_s(now))
        self.unbelieved_s += claimed_s - lost_s
        self._sum_s += lost_s + frame.samples / frame.sample_rate
        return lost_s

    def _credible_s(self, now: float) -> float:
        """How much may have been lost by now, whatever the stamps say."""
        assert self._began is not None
        return max(0.0, round(now - self._began + SLACK_S - self._sum_s, 6))

    def _stamped(self, frame: av.AudioFrame) -> float:
        """What the stamps say."""
        if frame.pts is None or not frame.time_base:
            self._next = None
            return 0.0
        begins = frame.pts * float(frame.time_base)
        expected = self._next
        self._next = begins + frame.samples / frame.sample_rate
        if expected is None or not _ROUNDING_S < begins - expected <= LONGEST_GAP_S:
            return 0.0
        return round(begins - expected, 6)
