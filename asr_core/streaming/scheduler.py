"""Scheduler of many speakers on one model: who is served next.

Every session says when its next update is due: a period after the last one, or at once if
an utterance has ended. The session that has been due for the longest is served first, so
nobody waits for more than one round of the others, and final words never wait behind
partial ones. A session hands out its newest window when it is served, not when it became
due: if the model is slower than the speakers, updates come less often, each covers more
audio, and partial results that nobody would see are never computed. Nothing is queued, so
nothing can pile up.

There is a thread for each worker of the engine, and each serves a batch of the engine's
preferred size; a session is in one batch at a time. The threads start with the sessions and
end with them. A batch that fails is retried once, session by session, so that one session's
audio cannot fail the others.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from asr_core.engines.base import Engine, Hypothesis, Window
from asr_core.engines.registry import busy_checks
from asr_core.errors import AsrError
from asr_core.ops.budget import Budget, process_budget
from asr_core.ops.malloc import trim_heap
from asr_core.ops.metrics import count_error
from asr_core.streaming.admission import AdmissionQueue
from asr_core.streaming.session import LiveSession

__all__ = ["Scheduler", "longest_due", "scheduler_for", "schedulers"]

logger = logging.getLogger(__name__)

_MAX_SLEEP_S = 0.05  # longest sleep, for sessions that finish in between

_TRIM_HEAP_EVERY_S = 10.0  # windows of changing length fragment the heap (docs/tuning.md)

_BATCH_TIME_EMA_WEIGHT = 0.05  # of the newest batch

_UPDATE_PERIOD_S = 0.85
"""Seconds between two partial passes that capacity allows each speaker: words are shown within
two seconds."""

_MAX_UTILIZATION = 0.75
"""Share of the workers' time given to partial passes; audio, pages and contention need the rest."""

Key = TypeVar("Key")


def longest_due(due_at: Iterable[tuple[Key, float]], now: float) -> Key | None:
    """Return the key that has been due for the longest, the first of equals; None if none is.

    Args:
        due_at: keys and the times at which they are due.
        now: on the same clock.
    """
    due = [item for item in due_at if item[1] <= now]
    return min(due, key=lambda item: item[1])[0] if due else None


def scheduler_for(engine: Engine, max_speakers: int | None = None) -> Scheduler:
    """Return the one scheduler of ``engine`` in this process; the first call sets its limits.

    All schedulers share the process's budget of speakers, and the machine. Any thread may call.
    """
    with _registry_lock:
        if id(engine) not in _schedulers:
            _schedulers[id(engine)] = Scheduler(
                engine, max_speakers=max_speakers, budget=process_budget(), peers=schedulers
            )
        return _schedulers[id(engine)]


class Scheduler:
    """Allocation of one engine's time to sessions.

    Any thread may call, except ``step``: that is for the scheduler's own threads, or for a
    caller that simulates time with ``start=False``.

    Args:
        engine: shared with others.
        clock: seconds, monotonic.
        start: run threads while there are sessions.
        max_speakers: of all schedulers together; None for as many as the machine can serve.
        budget: of speakers, shared by all schedulers.
        peers: returns the schedulers on this machine, this one may be among them.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], float] = time.monotonic,
        start: bool = True,
        max_speakers: int | None = None,
        budget: Budget | None = None,
        peers: Callable[[], Sequence[Scheduler]] = tuple,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._max_speakers = max_speakers
        self._max_threads = engine.n_parallel if start else 0
        self._lock = threading.Lock()  # guards the three below, never held at the model
        self._sessions: list[LiveSession] = []
        self._claimed: dict[LiveSession, float] = {}  # being served: since when
        self._n_threads = 0
        # Written by any of the threads:
        self._heap_trimmed_at = 0.0
        self._batch_time_s = 0.0  # smoothed
        self._peers = peers
        self.admission = AdmissionQueue(self.capacity, clock, budget)

    @property
    def engine(self) -> Engine:
        """Engine whose time is shared out."""
        return self._engine

    @property
    def n_sessions(self) -> int:
        """Number of sessions that are not done."""
        return len(self._sessions)

    def capacity(self) -> int:
        """Return how many speakers can be served in time, at most the operator's limit.

        Measured from the time of batches so far; one for each worker before the first batch.
        All models run on one machine: the share that the speakers of other models use is
        subtracted, and they count towards the operator's limit.
        """
        others = [scheduler for scheduler in self._peers() if scheduler is not self]
        n_others = sum(other.admission.n_admitted for other in others)
        left = 1 - sum(other.utilization() for other in others)
        served = self._measured_capacity() * left + 1e-9
        fits = max(int(served), 0 if n_others else 1)
        if self._max_speakers is None:
            return fits
        return min(fits, max(0, self._max_speakers - n_others))

    def utilization(self) -> float:
        """Return the share of the machine that the speakers here use, 0 to about 1."""
        return self.admission.n_admitted / self._measured_capacity()

    def _measured_capacity(self) -> int:
        if not self._batch_time_s:
            return max(1, self._engine.n_parallel)
        windows_per_s = self._engine.n_parallel * self._engine.batch_size / self._batch_time_s
        return max(1, int(_MAX_UTILIZATION * windows_per_s * _UPDATE_PERIOD_S))

    def lags_s(self) -> list[float]:
        """Return by how many seconds each session's words are behind its audio."""
        with self._lock:
            sessions = list(self._sessions)
        return [session.snapshot.lag_s for session in sessions]

    def wait_s(self, session: LiveSession) -> float:
        """Return how many seconds ``session`` has waited for the model.

        Due or being served; long only if the model hangs. 0 once the session is done.
        """
        with self._lock:
            if session not in self._sessions:
                return 0.0
            since = self._claimed.get(session, session.due_at())
        return max(0.0, self._clock() - since) if math.isfinite(since) else 0.0

    def max_wait_s(self) -> float:
        """Return the longest wait of all sessions, seconds."""
        with self._lock:
            sessions = list(self._sessions)
        return max(map(self.wait_s, sessions), default=0.0)

    def add(self, session: LiveSession) -> None:
        """Serve ``session`` until it is done."""
        with self._lock:
            self._sessions.append(session)
            if self._n_threads < min(len(self._sessions), self._max_threads):
                self._n_threads += 1
                threading.Thread(target=self._run, name="asr-scheduler", daemon=True).start()

    def step(self, now: float) -> bool:
        """Serve a batch of sessions that are due at ``now``; return False if none had work."""
        claimed: list[LiveSession] = []
        batch: list[tuple[LiveSession, Window]] = []
        try:
            while len(batch) < self._engine.batch_size:
                session = self._claim(now)
                if session is None:
                    break
                claimed.append(session)
                session.detect_speech(now)
                window = session.next_window()
                if window is not None:
                    batch.append((session, window))
            started = self._clock()
            self._serve(batch)
            if batch:
                self._record_batch_time(self._clock() - started)
        finally:
            self._release(claimed)
        if batch and now - self._heap_trimmed_at > _TRIM_HEAP_EVERY_S:
            self._heap_trimmed_at = now
            trim_heap()
        return bool(batch)

    def _claim(self, now: float) -> LiveSession | None:
        with self._lock:
            free = (s for s in self._sessions if s not in self._claimed)
            session = longest_due(((s, s.due_at()) for s in free), now)
            if session is not None:
                self._claimed[session] = now
            return session

    def _release(self, sessions: Sequence[LiveSession]) -> None:
        with self._lock:
            for session in sessions:
                del self._claimed[session]
            # Those just served go last: the order decides between equals.
            waiting = [session for session in self._sessions if session not in sessions]
            self._sessions = [s for s in (*waiting, *sessions) if not s.is_done]

    def _record_batch_time(self, took_s: float) -> None:
        before = self._batch_time_s
        change_s = _BATCH_TIME_EMA_WEIGHT * (took_s - before)
        self._batch_time_s = before + change_s if before else took_s

    def _run(self) -> None:
        while True:
            try:
                busy = self.step(self._clock())
            except Exception:
                # A bug in one step must not end the service of every speaker.
                logger.exception("A step of the streaming scheduler failed")
                busy = False
            with self._lock:
                if self._n_threads > len(self._sessions):
                    self._n_threads -= 1
                    break
            if not busy:
                time.sleep(_MAX_SLEEP_S)
        if not self._n_threads:
            trim_heap()

    def _serve(self, batch: list[tuple[LiveSession, Window]]) -> None:
        if not batch:
            return
        try:
            hypotheses = self._engine.transcribe([window for _, window in batch])
        except Exception as error:
            logger.warning("A batch of %d failed: %s", len(batch), error)
            count_error("live", error)
            for session, window in batch:
                self._serve_alone(session, window)
            return
        for (session, _), hypothesis in zip(batch, hypotheses, strict=True):
            session.accept(hypothesis)

    def _serve_alone(self, session: LiveSession, window: Window) -> None:
        """Retry one window alone, once."""
        hypothesis: Hypothesis | None = None
        reason = "The model failed on the last few seconds of speech; they are not in the text."
        try:
            [hypothesis] = self._engine.transcribe([window])
        except AsrError as error:
            reason = str(error)
        except Exception:
            logger.exception("The model failed on one window alone")
        if hypothesis is None:
            session.reject(reason)
        else:
            session.accept(hypothesis)


def schedulers() -> list[Scheduler]:
    """Return all schedulers of this process. Any thread may call."""
    with _registry_lock:
        return list(_schedulers.values())


def _has_speakers(engine: Engine) -> bool:
    with _registry_lock:
        scheduler = _schedulers.get(id(engine))
    return scheduler is not None and scheduler.n_sessions > 0


busy_checks.append(_has_speakers)  # a model with silent speakers stays loaded
_registry_lock = threading.Lock()
_schedulers: dict[int, Scheduler] = {}  # a scheduler keeps its engine, so ids stay unique
