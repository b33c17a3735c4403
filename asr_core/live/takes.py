"""What a microphone gives, from START to STOP: one take each.

``Takes`` belongs to one browser session. ``on_frame`` and ``on_ended`` are
called by the thread that receives WebRTC audio, everything else by the page.

A connection that ends while sound still came was stopped by the user. One that ends
some time after the last sound was lost on the way: the take is held open for a while,
and goes on with the next connection behind as much silence as was missed.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from dataclasses import dataclass, field
from datetime import datetime

import av
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.concealment import REPEATED_S, concealed
from asr_core.audio.gaps import Gaps
from asr_core.audio.resample import Resampler
from asr_core.live.line import WaitingLine
from asr_core.live.scheduler import Scheduler
from asr_core.live.session import LiveOptions, LiveSession

__all__ = ["HELD_OPEN_S", "Take", "Takes", "end_all", "is_closing"]

logger = logging.getLogger(__name__)

_NEWEST = round(REPEATED_S * SAMPLE_RATE_HZ)

_TOGETHER_S = 2.0  # gaps closer than that are told as one

_LOST_S = 2.0
"""Without a frame before the connection ends: nobody pressed STOP, since frames come
fifty times a second. Browsers take five seconds and more to find a connection broken."""

HELD_OPEN_S = 40.0
"""After the last sound of a lost connection, a take waits so long for the next one."""


@dataclass
class Take:
    """One live session with what the page calls it."""

    number: int
    session: LiveSession
    started: datetime
    ends_at: float | None = None  # on the clock of ``time.monotonic``
    resampler: Resampler = field(default_factory=Resampler)
    gaps: Gaps = field(default_factory=Gaps)
    newest: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """The last packet's worth of samples."""
    lost: tuple[tuple[float, float], ...] = ()
    """Where sound was lost on the way: when, and how much of it, in seconds."""

    def hear(self, frame: av.AudioFrame) -> None:
        """Append ``frame``, and something for what was lost before it."""
        self._miss(self.gaps.before(frame))
        self._append(self.resampler.push(frame))

    def begin_anew(self, missed_s: float) -> None:
        """Another connection goes on, ``missed_s`` seconds after the end of the last."""
        self._append(self.resampler.flush())
        self.resampler, self.gaps = Resampler(), Gaps()
        self._miss(missed_s)

    def _append(self, samples: NDArray[np.float32]) -> None:
        self.session.append(samples)
        self.newest = np.concatenate([self.newest, samples])[-_NEWEST:]

    def _miss(self, lost_s: float) -> None:
        if lost_s:
            self.lost = _with_gap(self.lost, self.session.snapshot.audio_s, lost_s)
            n_lost = round(lost_s * SAMPLE_RATE_HZ)
            self.session.append(concealed(self.newest, n_lost, SAMPLE_RATE_HZ))

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


_everybody: weakref.WeakSet[Takes] = weakref.WeakSet()
_closing = threading.Event()


def is_closing() -> bool:
    """The process is about to end: no take begins any more. Any thread may call."""
    return _closing.is_set()


def end_all(timeout_s: float) -> bool:
    """End the running take of everybody, and let none begin; wait for the last words.

    Any thread may call.

    Returns:
        Whether anybody was speaking.
    """
    _closing.set()
    running = [take for takes in list(_everybody) if (take := takes.running) is not None]
    for takes in list(_everybody):
        takes.end()
    deadline = time.monotonic() + timeout_s
    for take in running:
        take.session.wait(max(0.0, deadline - time.monotonic()))
    return bool(running)


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
        self._heard_at = 0.0  # the last frame, on the clock of ``time.monotonic``
        self._holding: threading.Timer | None = None  # ends the take that lost its connection
        _everybody.add(self)

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
    def is_turned_away(self) -> bool:
        """This one neither speaks nor waits, and even the line is full."""
        if self._scheduler is None or self._running is not None or self.place is not None:
            return False
        return self._scheduler.line.is_full

    @property
    def running(self) -> Take | None:
        """The take that audio goes into."""
        return self._running

    @property
    def is_interrupted(self) -> bool:
        """The running take lost its connection and waits for the next one."""
        return self._holding is not None

    @property
    def unheard_s(self) -> float:
        """Seconds without a frame in the running take, by the clock on the wall."""
        return time.monotonic() - self._heard_at if self._running is not None else 0.0

    def waits_s(self, take: Take) -> float:
        """How long ``take`` has been waiting for the model; long only if that hangs."""
        return self._scheduler.waits_s(take.session) if self._scheduler is not None else 0.0

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
        if self._holding is not None:
            self._go_on()
        take = self._running or self._start()
        self._heard_at = time.monotonic()
        if take is not None and not take.is_over_limit:
            take.hear(frame)

    def on_ended(self) -> None:
        """The connection is closed: the running take gets its last samples and ends, or
        waits for another connection if this one was lost."""
        rest_s = HELD_OPEN_S - self.unheard_s
        with self._lock:
            if self._holding is not None:
                return  # the attempt to connect again failed
            if self._running is not None and self.unheard_s > _LOST_S and rest_s > 0:
                self._holding = threading.Timer(rest_s, self._give_up)
                self._holding.daemon = True
                self._holding.start()
                return
        self.end()

    def end(self) -> None:
        """End the running take, also one that waits for a connection. Any thread may call."""
        with self._lock:
            take, self._running = self._running, None
            if self._holding is not None:
                self._holding.cancel()
                self._holding = None
            self._leave_line()
        if take is not None:
            if not take.is_over_limit:
                take.session.append(take.resampler.flush())
            take.session.finish()
            snapshot = take.session.snapshot
            figures = {"seconds": snapshot.audio_s, "lag_s": snapshot.lag_s}
            lost_s = sum(lost_s for _, lost_s in take.lost)
            logger.info("take ended", extra=figures | {"lost_s": lost_s})

    def _give_up(self) -> None:
        if self.is_interrupted:  # unless a connection came at the last moment
            self.end()

    def _go_on(self) -> None:
        """The first frame of a new connection: the take goes on, if it is not over yet."""
        with self._lock:
            if self._holding is None:
                return
            self._holding.cancel()
            self._holding = None
            take = self._running
        if take is not None:
            take.begin_anew(self.unheard_s)

    def _leave_line(self) -> None:
        if self._line is not None:
            self._line.leave(self)
            self._line = None

    def _start(self) -> Take | None:
        with self._lock:
            if is_closing():
                return None
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
            logger.info("take began", extra={"speakers": self._scheduler.n_sessions})
            return take
