"""Detection of lost audio by the time stamps of the frames that arrive.

Time stamps come from the sender and are not trusted. Audio is not lost faster than time passes,
so frames and gaps together never exceed the time since the first frame by more than a little:
no sender can make a recording grow by stamps alone.
"""

from __future__ import annotations

import av

__all__ = ["CLOCK_SLACK_S", "MAX_GAP_S", "GapDetector"]

MAX_GAP_S = 120.0
"""Longest gap; a longer jump is a restarted source."""

CLOCK_SLACK_S = 5.0
"""Lead of the audio over the clock, for packets that a network delayed and delivers at once."""

_ROUNDING_S = 0.001


class GapDetector:
    """State machine over the time stamps of consecutive frames; for one thread at a time.

    Attributes:
        rejected_s: seconds of gaps that the stamps claim beyond what can have been lost.
    """

    def __init__(self) -> None:
        self.rejected_s = 0.0
        self._expected_start_s: float | None = None
        self._first_arrival_s: float | None = None  # on the caller's clock
        self._received_s = 0.0  # frames and gaps

    def gap_before(self, frame: av.AudioFrame, now: float) -> float:
        """Return the seconds lost before this frame; 0.0 without stamps, on overlap or a restart.

        Args:
            frame: the next one in order of arrival.
            now: arrival time in seconds, monotonic.
        """
        if not frame.sample_rate:
            return 0.0
        if self._first_arrival_s is None:
            self._first_arrival_s = now
        claimed_s = self._claimed_gap_s(frame)
        lost_s = min(claimed_s, self._max_loss_s(now))
        self.rejected_s += claimed_s - lost_s
        self._received_s += lost_s + frame.samples / frame.sample_rate
        return lost_s

    def _max_loss_s(self, now: float) -> float:
        """Return the most that can have been lost by ``now``, whatever the stamps claim."""
        assert self._first_arrival_s is not None
        return max(0.0, round(now - self._first_arrival_s + CLOCK_SLACK_S - self._received_s, 6))

    def _claimed_gap_s(self, frame: av.AudioFrame) -> float:
        """Return the gap according to the stamps."""
        if frame.pts is None or not frame.time_base:
            self._expected_start_s = None
            return 0.0
        start_s = frame.pts * float(frame.time_base)
        expected_s = self._expected_start_s
        self._expected_start_s = start_s + frame.samples / frame.sample_rate
        if expected_s is None or not _ROUNDING_S < start_s - expected_s <= MAX_GAP_S:
            return 0.0
        return round(start_s - expected_s, 6)
