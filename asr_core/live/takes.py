"""What a microphone gives, from START to STOP: one take each.

``Takes`` belongs to one browser session. ``on_frame`` and ``on_ended`` are
called by the thread that receives WebRTC audio, everything else by the page.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime

import av
import numpy as np

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.gaps import Gaps
from asr_core.audio.resample import Resampler
from asr_core.live.line import WaitingLine
from asr_core.live.scheduler import Scheduler
from asr_core.live.session import LiveOptions, LiveSession

__all__ = ["Take", "Takes"]

logger = logging.getLogger(__name__)

_TOGETHER_S = 2.0  # gaps closer than that are told as one


@dataclass
class Take:
    """One live session with what the page calls it."""

    number: int
    session: LiveSession
    started: datetime
    ends_at: float | None = None  # on the clock of ``time.monotonic``
    resampler: Resampler = field(default_factory=Resampler)
    gaps: Gaps = field(default_factory=Gaps)
    lost: tuple[tuple[float, float], ...] = ()
    """Where sound was lost on the way: when, and how much of it, in seconds."""

    def hear(self, frame: av.AudioFrame) -> None:
        """Append ``frame``, and silence for what was lost before it."""
        lost_s = self.gaps.before(frame)
        if lost_s:
            at_s = self.session.snapshot.audio_s
            self.lost = _with_gap(self.lost, at_s, lost_s)
            self.session.append(np.zeros(round(lost_s * SAMPLE_RATE_HZ), np.float32))
        self.session.append(self.resampler.push(frame))

    @property
    def remaining_s(self) -> float | None:
        """Until the time limit, by the clock on the wall; None without a limit."""
        return None if self.ends_at is None else max(0.0, self.ends_at - time.monotonic())

    @property
    def is_over_limit(self) -> bool:
        return self.remaining_s == 0


def _with_gap(
    lost: tuple[tuple[float, float], ...], at_s: float, lost_s: float
) -> tuple[tuple[float, float], ...]:
    """With one more; those close together are one."""
    if lost and at_s - sum(lost[-1]) < _TOGETHER_S:
        first_s = lost[-1][0]
        return (*lost[:-1], (first_s, lost[-1][1] + lost_s))
    return (*lost, (at_s, lost_s))


class Takes:
    """All takes of one browser session, the running one last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards what is below; held for moments only
        self._takes: list[Take] = []
        self._running: Take | None = None
        self._n_started = 0
        self._scheduler: Scheduler | None = None
        self._line: WaitingLine | None = None  # where this one is in, or waits
        self._options = LiveOptions()
        self._limit_s: float | None = None

    def prepare(
        self, scheduler: Scheduler, options: LiveOptions, limit_s: float | None = None
    ) -> None:
        """What the next take runs with; the running one keeps what it has."""
        with self._lock:
            self._scheduler, self._options, self._limit_s = scheduler, options, limit_s

    @property
    def place(self) -> tuple[int, float | None] | None:
        """In the line of those who wait to speak, 1 is next, and about how many seconds
        that will take; None if this one does not wait."""
        line = self._line
        place = line.place(self) if line is not None else None
        return (place, line.wait_s(self)) if line is not None and place is not None else None

    @property
    def running(self) -> Take | None:
        """The take that audio goes into."""
        return self._running

    @property
    def all(self) -> list[Take]:
        """Oldest first, a copy."""
        with self._lock:
            return list(self._takes)

    def clear(self) -> None:
        """Forget all takes but the running one."""
        with self._lock:
            self._takes = [self._running] if self._running else []

    def on_frame(self, frame: av.AudioFrame) -> None:
        """Append a frame to the running take; the first one starts a take, as soon as
        the machine has room for one more speaker."""
        take = self._running or self._start()
        if take is not None and not take.is_over_limit:
            take.hear(frame)

    def on_ended(self) -> None:
        """The connection is closed: the running take gets its last samples and ends."""
        with self._lock:
            take, self._running = self._running, None
            self._leave_line()
        if take is not None:
            if not take.is_over_limit:
                take.session.append(take.resampler.flush())
            take.session.finish()

    def _leave_line(self) -> None:
        if self._line is not None:
            self._line.leave(self)
            self._line = None

    def _start(self) -> Take | None:
        with self._lock:
            if self._scheduler is None:
                logger.warning("Audio came before a model was ready; it is not transcribed")
                return None
            if self._line is not self._scheduler.line:  # another model was chosen meanwhile
                self._leave_line()
                self._line = self._scheduler.line
            if not self._line.enter(self):
                return None
            self._n_started += 1
            session = LiveSession(self._options)
            ends_at = time.monotonic() + self._limit_s if self._limit_s is not None else None
            take = Take(self._n_started, session, datetime.now().astimezone(), ends_at)
            self._takes.append(take)
            self._running = take
            self._scheduler.add(session)
            return take
