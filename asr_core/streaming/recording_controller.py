"""Recordings of one page, from START to STOP, and the connection that brings their audio.

``RecordingController`` belongs to one workspace. ``on_connecting``, ``on_frame`` and
``on_ended`` are called by the thread that receives WebRTC audio, ``check`` by a watchdog,
everything else by the page.

A connection that ends while frames still came was stopped by the user. One that ends some
time after the last frame was lost: the recording is held open for a while, and goes on with
the next connection after as much silence as was missed.

Few can speak at once, so nobody holds a place without speaking, and no connection stays that
brings nothing: a watchdog ends them, since a client that sends nothing triggers no call.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Hashable
from datetime import datetime
from typing import Protocol

import av

from asr_core.errors import LimitError
from asr_core.ops.budget import Budget, Reservation, Resource, process_budget
from asr_core.ops.metrics import count_recording
from asr_core.streaming.admission import AdmissionQueue
from asr_core.streaming.recording import Recording
from asr_core.streaming.refinement import Refinement, RefinementQueue
from asr_core.streaming.scheduler import Scheduler
from asr_core.streaming.session import LiveOptions, LiveSession
from asr_core.streaming.watchdog import Watchdog

__all__ = ["HELD_OPEN_S", "Connection", "RecordingController", "end_all", "is_closing"]

logger = logging.getLogger(__name__)

_LOST_S = 2.0
"""Seconds without a frame before a connection ends that show that it was lost.

Frames come fifty times a second, so nobody pressed STOP; browsers need five seconds and more
to notice a broken connection.
"""

HELD_OPEN_S = 40.0
"""Seconds after the last frame for which a recording waits for the next one."""

CONNECT_S = 20.0
"""Seconds from the offer to the first frame: aioice gives up after five, a slow machine needs
more."""

MAX_SILENCE_S = 300.0
"""Seconds of digital silence: the microphone was left muted, and others wait."""

_NO_AUDIO = (
    "The recording was ended: no sound came from your browser any more. Press START to go on."
)
_ONLY_SILENCE = (
    "The recording was ended: there was nothing but silence for "
    f"{MAX_SILENCE_S / 60:.0f} minutes. Press START to go on."
)
_TIME_IS_UP = "The recording was ended by its time limit."
_NOTHING_CAME = (
    "No sound came over the connection, so it was closed. Press START again; if this keeps "
    "happening, try another network."
)
_QUEUE_IS_FULL = (
    "All places are taken and many people wait already, so the connection was closed. "
    "Try again in a few minutes."
)


class Connection(Protocol):
    """Connection that brings the audio of a microphone."""

    def hang_up(self) -> None:
        """Close it soon; any thread may call, more than once."""
        ...


_controllers: weakref.WeakSet[RecordingController] = weakref.WeakSet()
_watchdog = Watchdog()
_closing = threading.Event()


def is_closing() -> bool:
    """Return True if the process is about to end: no recording starts. Any thread may call."""
    return _closing.is_set()


def end_all(timeout_s: float) -> bool:
    """End all running recordings, let none start, and wait for the last words.

    Any thread may call.

    Returns:
        True if anybody was speaking.
    """
    _closing.set()
    controllers = list(_controllers)
    running = [r for controller in controllers if (r := controller.running) is not None]
    for controller in list(_controllers):
        controller.end()
    deadline = time.monotonic() + timeout_s
    for recording in running:
        recording.session.wait(max(0.0, deadline - time.monotonic()))
    return bool(running)


class RecordingController:
    """Recordings of one workspace, the running one last.

    Args:
        budget: for audio that is kept; that of the process by default.

    Attributes:
        owner: the user whose share of the budget is used. Not this object: the budget would
            keep it alive, and with it what it reserved.
        notice: why the server closed the last connection, until the next one begins.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self._refinements = RefinementQueue(budget)
        self.owner: Hashable = object()
        self.notice: str | None = None
        self._budget = budget
        self._lock = threading.Lock()  # guards what is below; held for moments only
        self._recordings: list[Recording] = []
        self._running: Recording | None = None
        self._n_started = 0
        self._scheduler: Scheduler | None = None
        self._queue: AdmissionQueue | None = None  # where this one is admitted, or waits
        self._options = LiveOptions()
        self._limit_s: float | None = None
        self._last_frame_at = 0.0  # on the clock of ``time.monotonic``
        self._is_interrupted = False
        self._connection: Connection | None = None
        self._is_closed = False
        self._was_hung_up = False
        _controllers.add(self)

    def prepare(
        self, scheduler: Scheduler, options: LiveOptions, limit_s: float | None = None
    ) -> None:
        """Set what the next recording runs with; the running one keeps its own.

        Args:
            scheduler: serves it.
            options: the user's choices.
            limit_s: longest duration in seconds; None is no limit.
        """
        with self._lock:
            self._scheduler, self._options, self._limit_s = scheduler, options, limit_s

    @property
    def queue_position(self) -> tuple[int, float | None] | None:
        """Position in the admission queue, 1 for the next, and the estimated wait in seconds.

        None if this one does not wait.
        """
        queue = self._queue
        position = queue.position(self) if queue is not None else None
        if queue is None or position is None:
            return None
        return position, queue.estimated_wait_s(self)

    @property
    def is_turned_away(self) -> bool:
        """True if this one neither speaks nor waits, and the queue is full."""
        if self._scheduler is None or self._running is not None or self.queue_position is not None:
            return False
        return self._scheduler.admission.is_full

    @property
    def running(self) -> Recording | None:
        """Recording that audio goes into."""
        return self._running

    @property
    def is_interrupted(self) -> bool:
        """True while the running recording has lost its connection and waits for the next."""
        return self._is_interrupted

    @property
    def since_last_frame_s(self) -> float:
        """Seconds without a frame in the running recording, on the wall clock."""
        return time.monotonic() - self._last_frame_at if self._running is not None else 0.0

    def model_wait_s(self, recording: Recording) -> float:
        """Return how many seconds ``recording`` has waited for the model; long if that hangs."""
        return self._scheduler.wait_s(recording.session) if self._scheduler is not None else 0.0

    @property
    def all(self) -> list[Recording]:
        """Recordings, oldest first; a copy."""
        with self._lock:
            return list(self._recordings)

    def clear(self) -> None:
        """Forget all recordings but the running one, and free their memory."""
        with self._lock:
            kept = [self._running] if self._running else []
            forgotten = [recording for recording in self._recordings if recording not in kept]
            self._recordings = kept
        for recording in forgotten:
            recording.discard()

    def close(self) -> None:
        """End and free everything for good; later frames are ignored.

        Any thread may call, more than once.
        """
        with self._lock:
            self._is_closed = True
        self.end()
        self._hang_up(None)
        self.clear()

    # --- for the thread that receives audio ------------------------------------------

    def on_connecting(self, connection: Connection) -> None:
        """Replace the connection by one that is about to be made.

        Raises:
            LimitError: there is no room for it, not even to wait.
        """
        with self._lock:
            if self._is_closed:
                raise LimitError("This page was given up after a long pause. Load it again.")
            if is_closing():
                raise LimitError("The server is about to restart. Try again in a minute.")
            if self._running is None:
                self._request_admission()
            before, self._connection = self._connection, connection
            self._was_hung_up, self.notice = False, None
            if self._running is None:
                self._last_frame_at = time.monotonic() + CONNECT_S - HELD_OPEN_S
            else:
                self._is_interrupted = True  # it goes on with the first frame
            _watchdog.add(self)
        if before is not None and before is not connection:
            before.hang_up()

    def _request_admission(self) -> None:
        if self._scheduler is None:
            raise LimitError("The model is not ready yet. Press START again when it is.")
        queue = self._scheduler.admission
        self._switch_queue(queue)
        if queue.is_at_limit(self) and queue.position(self) is None:
            raise LimitError("You speak on other pages of this app already. Press STOP on one.")
        if not queue.join(self):
            raise LimitError(_QUEUE_IS_FULL)

    def on_frame(self, frame: av.AudioFrame, connection: Connection | None = None) -> None:
        """Append a frame to the running recording.

        Without one, the frame starts one as soon as the machine has room for one more speaker.
        """
        if connection is not self._connection or self._is_closed:
            return
        if self._is_interrupted:
            self._resume()
        recording = self._running or self._start_if_admitted()
        self._last_frame_at = now = time.monotonic()
        if recording is not None and not recording.is_over_limit:
            recording.append_frame(frame, now)

    def on_ended(self, connection: Connection | None = None) -> None:
        """End the running recording with its last samples, as its connection is closed.

        If the connection was lost, the recording waits for another one.
        """
        with self._lock:
            if connection is not self._connection:
                return  # it was hung up or replaced
            self._connection = None
            if self._is_interrupted:
                return  # the attempt to reconnect failed
            is_lost = self._running is not None and _LOST_S < self.since_last_frame_s < HELD_OPEN_S
            if is_lost and not self._is_closed:
                self._is_interrupted = True
                _watchdog.add(self)
                return
        self.end()

    # --- for any thread --------------------------------------------------------------

    def end(self) -> None:
        """End the running recording, also one that waits for a connection."""
        with self._lock:
            recording, self._running = self._running, None
            self._is_interrupted = False
            self._leave_queue()
        if recording is not None:
            recording.finish()
            self._refine(recording)
            snapshot = recording.session.snapshot
            lost_s = sum(duration_s for _, duration_s in recording.lost)
            logger.info(
                "recording ended",
                extra={"seconds": snapshot.audio_s, "lag_s": snapshot.lag_s, "lost_s": lost_s},
            )
            count_recording(snapshot.audio_s, lost_s, recording.too_fast_s)

    def _refine(self, recording: Recording) -> None:
        if not recording.session.options.refine or self._is_closed or is_closing():
            return
        recording.refinement = Refinement(recording.session, recording.engine, self.owner)
        self._refinements.add(recording.refinement)

    def check(self, now: float) -> bool:
        """End what has gone on for too long; return False if nothing is left to end.

        Args:
            now: on the clock of ``time.monotonic``.
        """
        recording = self._running
        is_quiet = now - self._last_frame_at > HELD_OPEN_S
        if recording is None:
            if self._connection is not None and is_quiet:
                self._end_with(_NOTHING_CAME)
        elif recording.ends_at is not None and now >= recording.ends_at:
            self._end_with(_TIME_IS_UP)
        elif is_quiet:
            self._end_with(None if self._is_interrupted else _NO_AUDIO)
        elif recording.session.snapshot.silent_s > MAX_SILENCE_S:
            self._end_with(_ONLY_SILENCE)
        return self._running is not None or self._connection is not None

    def was_hung_up(self) -> bool:
        """Return True if the server has closed the connection since the last call."""
        with self._lock:
            was_hung_up, self._was_hung_up = self._was_hung_up, False
            return was_hung_up

    def _end_with(self, notice: str | None) -> None:
        self._hang_up(notice)
        self.end()

    def _hang_up(self, notice: str | None) -> None:
        """Close the connection from here; its later frames are ignored."""
        with self._lock:
            connection, self._connection = self._connection, None
            self._was_hung_up, self.notice = connection is not None, notice
        if connection is not None:
            connection.hang_up()

    def _resume(self) -> None:
        """Go on with the first frame of a new connection, unless the recording has ended."""
        with self._lock:
            if not self._is_interrupted:
                return
            self._is_interrupted = False
            recording = self._running
        if recording is not None:
            recording.resume(self.since_last_frame_s)

    def _switch_queue(self, queue: AdmissionQueue) -> None:
        if self._queue is not queue:  # another model was chosen meanwhile
            self._leave_queue()
            self._queue = queue

    def _leave_queue(self) -> None:
        if self._queue is not None:
            self._queue.leave(self)
            self._queue = None

    def _start_if_admitted(self) -> Recording | None:
        with self._lock:
            if is_closing() or self._is_closed:
                return None
            if self._scheduler is None:
                logger.warning("Audio came before a model was ready; it is not transcribed")
                return None
            queue = self._scheduler.admission
            self._switch_queue(queue)
            if queue.enter(self):
                return self._start(self._scheduler)
            is_turned_away = queue.position(self) is None
        if is_turned_away:
            self._hang_up(_QUEUE_IS_FULL)
        return None

    def _start(self, scheduler: Scheduler) -> Recording:
        self._n_started += 1
        self.notice = None
        session = LiveSession(self._options, self._reserve_memory())
        ends_at = time.monotonic() + self._limit_s if self._limit_s is not None else None
        started = datetime.now().astimezone()
        recording = Recording(self._n_started, session, scheduler.engine, started, ends_at)
        self._recordings.append(recording)
        self._running = recording
        scheduler.add(session)
        _watchdog.add(self)
        logger.info("recording started", extra={"speakers": scheduler.n_sessions})
        return recording

    def _reserve_memory(self) -> Reservation | None:
        """Return an empty reservation for the kept audio; None if none is kept."""
        if not self._options.keeps_audio:
            return None
        budget = self._budget or process_budget()
        return budget.reserve(Resource.RECORDINGS, 0, self.owner)
