"""What a microphone gives, from START to STOP: one take each.

``Takes`` belongs to one workspace. ``on_frame`` and ``on_ended`` are
called by the thread that receives WebRTC audio, ``check`` by a clock, everything else by
the page.

A connection that ends while sound still came was stopped by the user. One that ends
some time after the last sound was lost on the way: the take is held open for a while,
and goes on with the next connection behind as much silence as was missed.

Places are few, so nobody keeps one without speaking, and no connection stays that brings
nothing: a clock ends them, since who sends nothing cannot be asked by what they send.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import av
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.concealment import REPEATED_S, concealed
from asr_core.audio.gaps import Gaps
from asr_core.audio.resample import Resampler
from asr_core.budget import Budget, Hold, Resource, process_budget
from asr_core.errors import LimitError
from asr_core.live.line import WaitingLine
from asr_core.live.scheduler import Scheduler
from asr_core.live.session import LiveOptions, LiveSession
from asr_core.live.watch import Watch
from asr_core.metrics import count_take

__all__ = ["HELD_OPEN_S", "Connection", "Take", "Takes", "end_all", "is_closing"]

logger = logging.getLogger(__name__)

_NEWEST = round(REPEATED_S * SAMPLE_RATE_HZ)

_TOGETHER_S = 2.0  # gaps closer than that are told as one

_MOST_GAPS = 500
"""That are told one by one; a sender who makes more is not to fill the memory with them."""

_LOST_S = 2.0
"""Without a frame before the connection ends: nobody pressed STOP, since frames come
fifty times a second. Browsers take five seconds and more to find a connection broken."""

HELD_OPEN_S = 40.0
"""After the last sound a take waits so long for the next, over a new connection or the old."""

CONNECT_S = 20.0
"""From the offer to the first frame: aioice gives up after five seconds, a slow machine
takes some more."""

SILENT_S = 300.0
"""Of digital silence: somebody left the microphone muted, and others wait for the place."""

_IDLE = "The take was ended: no sound came from your browser any more. Press START to go on."
_SILENT = (
    "The take was ended: there was nothing but silence for "
    f"{SILENT_S / 60:.0f} minutes. Press START to go on."
)
_OVER = "The take was ended by its time limit."
_NOTHING_CAME = (
    "No sound came over the connection, so it was closed. Press START again; if it stays so, "
    "try another network."
)
_LINE_IS_FULL = (
    "All places are taken and many people wait already, so the connection was closed. "
    "Try again in a few minutes."
)


class Connection(Protocol):
    """What brings the sound of a microphone."""

    def hang_up(self) -> None:
        """Close it, soon; any thread may call, also again."""
        ...


@dataclass
class Take:
    """One live session with what the page calls it.

    ``hear``, ``begin_anew`` and ``finish`` may be called by several threads: a take is ended
    by a clock while its sound still comes, and the filter inside is not for two at once.
    """

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
    too_fast_s: float = 0.0
    """Of sound that the sender claims to have sent beyond what time allows."""
    _hearing: threading.Lock = field(default_factory=threading.Lock)

    def hear(self, frame: av.AudioFrame, now: float) -> None:
        """Append ``frame``, which came at ``now``, and something for what was lost before it."""
        with self._hearing:
            unbelieved_s = self.gaps.unbelieved_s
            self._miss(self.gaps.before(frame, now))
            self.too_fast_s += self.gaps.unbelieved_s - unbelieved_s
            self._append(self.resampler.push(frame))

    def begin_anew(self, missed_s: float) -> None:
        """Another connection goes on, ``missed_s`` seconds after the end of the last."""
        with self._hearing:
            self._append(self.resampler.flush())
            self.resampler, self.gaps = Resampler(), Gaps()
            self._miss(missed_s)

    def finish(self) -> None:
        """No more sound comes."""
        with self._hearing:
            if not self.is_over_limit:
                self._append(self.resampler.flush())
            self.session.finish()

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
    """With one more; those close together are one, and so are those beyond ``_MOST_GAPS``."""
    if lost and (at_s - sum(lost[-1]) < _TOGETHER_S or len(lost) >= _MOST_GAPS):
        first_s = lost[-1][0]
        return (*lost[:-1], (first_s, lost[-1][1] + lost_s))
    return (*lost, (at_s, lost_s))


_everybody: weakref.WeakSet[Takes] = weakref.WeakSet()
_watch = Watch()
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
    """All takes of one workspace, the running one last.

    Args:
        budget: for recordings that are kept; that of the process if none is given.

    Attributes:
        owner: whose part of the budget is taken. Not the takes themselves: the budget would
            keep them alive, and they keep what they took.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self.owner: Hashable = object()
        self._budget = budget
        self._lock = threading.Lock()  # guards what is below; held for moments only
        self._takes: list[Take] = []
        self._running: Take | None = None
        self._n_started = 0
        self._scheduler: Scheduler | None = None
        self._line: WaitingLine | None = None  # where this one is in, or waits
        self._options = LiveOptions()
        self._limit_s: float | None = None
        self._heard_at = 0.0  # the last frame, on the clock of ``time.monotonic``
        self._is_held = False  # the take lost its connection and waits for the next
        self._connection: Connection | None = None
        self._is_closed = False
        self._hung_up = False
        self.notice: str | None = None
        """Why the last connection was closed by the server, until the next one begins."""
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
        return self._is_held

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
        """Forget all takes but the running one, and give their memory back."""
        with self._lock:
            kept = [self._running] if self._running else []
            forgotten = [take for take in self._takes if take not in kept]
            self._takes = kept
        for take in forgotten:
            take.session.forget_recording()

    def close(self) -> None:
        """End and free all of it, for good: the take, the connection, the recordings.

        What still comes is not heard. Any thread may call, also again.
        """
        with self._lock:
            self._is_closed = True
        self.end()
        self._hang_up(None)
        self.clear()

    # --- for the thread that receives audio ------------------------------------------

    def on_connecting(self, connection: Connection) -> None:
        """A connection is about to be made, and takes the place of the one before.

        Raises:
            LimitError: there is no room for it, not even to wait.
        """
        with self._lock:
            if self._is_closed:
                raise LimitError("This page was given up after a long pause. Load it again.")
            if is_closing():
                raise LimitError("The server is about to restart. Try again in a minute.")
            if self._running is None:
                self._ask_for_room()
            before, self._connection = self._connection, connection
            self._hung_up, self.notice = False, None
            if self._running is None:
                self._heard_at = time.monotonic() + CONNECT_S - HELD_OPEN_S
            else:
                self._is_held = True  # it goes on with the first frame
            _watch.add(self)
        if before is not None and before is not connection:
            before.hang_up()

    def _ask_for_room(self) -> None:
        if self._scheduler is None:
            raise LimitError("The model is not ready yet. Press START again when it is.")
        self._stand_in(self._scheduler.line)
        line = self._scheduler.line
        if line.has_enough(self) and line.place(self) is None:
            raise LimitError("You speak on other pages of this app already. Press STOP on one.")
        if not line.join(self):
            raise LimitError(_LINE_IS_FULL)

    def on_frame(self, frame: av.AudioFrame, connection: Connection | None = None) -> None:
        """Append a frame to the running take; the first one starts a take, as soon as
        the machine has room for one more speaker."""
        if connection is not self._connection or self._is_closed:
            return
        if self._is_held:
            self._go_on()
        take = self._running or self._start()
        self._heard_at = now = time.monotonic()
        if take is not None and not take.is_over_limit:
            take.hear(frame, now)

    def on_ended(self, connection: Connection | None = None) -> None:
        """The connection is closed: the running take gets its last samples and ends, or
        waits for another connection if this one was lost."""
        with self._lock:
            if connection is not self._connection:
                return  # it was hung up, or another one took its place
            self._connection = None
            if self._is_held:
                return  # the attempt to connect again failed
            lost = self._running is not None and _LOST_S < self.unheard_s < HELD_OPEN_S
            if lost and not self._is_closed:
                self._is_held = True
                _watch.add(self)
                return
        self.end()

    # --- for any thread --------------------------------------------------------------

    def end(self) -> None:
        """End the running take, also one that waits for a connection. Any thread may call."""
        with self._lock:
            take, self._running = self._running, None
            self._is_held = False
            self._leave_line()
        if take is not None:
            take.finish()
            snapshot = take.session.snapshot
            figures = {"seconds": snapshot.audio_s, "lag_s": snapshot.lag_s}
            lost_s = sum(lost_s for _, lost_s in take.lost)
            logger.info("take ended", extra=figures | {"lost_s": lost_s})
            count_take(snapshot.audio_s, lost_s, take.too_fast_s)

    def check(self, now: float) -> bool:
        """End what has gone on for too long; False if nothing is left that could.

        Args:
            now: on the clock of ``time.monotonic``.
        """
        take = self._running
        is_quiet = now - self._heard_at > HELD_OPEN_S
        if take is None:
            if self._connection is not None and is_quiet:
                self._hang_up(_NOTHING_CAME)
                self.end()
        elif take.ends_at is not None and now >= take.ends_at:
            self._end_because(_OVER)
        elif is_quiet:
            self._end_because(None if self._is_held else _IDLE)
        elif take.session.snapshot.silent_s > SILENT_S:
            self._end_because(_SILENT)
        return self._running is not None or self._connection is not None

    def was_hung_up(self) -> bool:
        """Whether the server closed the connection since this was asked last."""
        with self._lock:
            hung_up, self._hung_up = self._hung_up, False
            return hung_up

    def _end_because(self, notice: str | None) -> None:
        self._hang_up(notice)
        self.end()

    def _hang_up(self, notice: str | None) -> None:
        """Close the connection from here, and hear no more of it."""
        with self._lock:
            connection, self._connection = self._connection, None
            self._hung_up, self.notice = connection is not None, notice
        if connection is not None:
            connection.hang_up()

    def _go_on(self) -> None:
        """The first frame of a new connection: the take goes on, if it is not over yet."""
        with self._lock:
            if not self._is_held:
                return
            self._is_held = False
            take = self._running
        if take is not None:
            take.begin_anew(self.unheard_s)

    def _stand_in(self, line: WaitingLine) -> None:
        if self._line is not line:  # another model was chosen meanwhile
            self._leave_line()
            self._line = line

    def _leave_line(self) -> None:
        if self._line is not None:
            self._line.leave(self)
            self._line = None

    def _start(self) -> Take | None:
        with self._lock:
            if is_closing() or self._is_closed:
                return None
            if self._scheduler is None:
                logger.warning("Audio came before a model was ready; it is not transcribed")
                return None
            line = self._scheduler.line
            self._stand_in(line)
            if line.enter(self):
                return self._begin(self._scheduler)
            is_turned_away = line.place(self) is None
        if is_turned_away:
            self._hang_up(_LINE_IS_FULL)
        return None

    def _room(self) -> Hold:
        """For a recording; it grows with it."""
        return (self._budget or process_budget()).take(Resource.RECORDINGS, 0, self.owner)

    def _begin(self, scheduler: Scheduler) -> Take:
        """Begin a take; for one who was let in."""
        self._n_started += 1
        self.notice = None
        session = LiveSession(self._options, self._room() if self._options.keep_recording else None)
        ends_at = time.monotonic() + self._limit_s if self._limit_s is not None else None
        take = Take(self._n_started, session, datetime.now().astimezone(), ends_at)
        self._takes.append(take)
        self._running = take
        scheduler.add(session)
        _watch.add(self)
        logger.info("take began", extra={"speakers": scheduler.n_sessions})
        return take
