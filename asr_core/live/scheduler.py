"""Many speakers, one model: who is served next.

Every session says when its next update is due: its period after the last one,
or at once where an utterance has ended. The session that has been due for the
longest is served first, so nobody waits for more than one round of the others,
and what is final never waits behind what is not. A session hands out its newest
window when its turn comes, not when it became due: when the model is slower than
the speakers, updates come less often, each covers more audio, and partial
results that nobody will see are never computed. Nothing is queued, so nothing
can pile up.

As many threads serve as the engine has workers, each a batch of the size that
the engine likes best; a session is with one of them at a time. They start with
the sessions and end with them. A batch that fails is tried again session by
session, once, so that one speaker's trouble stays theirs.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from asr_core.budget import Budget, process_budget
from asr_core.engines.base import Engine, Hypothesis, Window
from asr_core.engines.shared import busy_checks
from asr_core.errors import AsrError, LimitError
from asr_core.limits import Limits
from asr_core.live.line import WaitingLine
from asr_core.live.session import LiveSession
from asr_core.memory import give_back
from asr_core.metrics import count_error

__all__ = ["Scheduler", "choose", "scheduler_of", "schedulers"]

logger = logging.getLogger(__name__)

_IDLE_S = 0.05  # longest sleep, for sessions that finish in between

_GIVE_BACK_EVERY_S = 10.0
"""Windows of ever other lengths leave holes in memory: with base a hundred megabytes within
minutes. To give them back takes a hundredth of a second."""

_MEMORY = 0.05  # weight of the newest look in their mean

_AT_LEAST_EVERY_S = 0.85
_FILLED = 0.75
"""A speaker who is looked at so often reads words within two seconds; how much of the
workers' time is given away for that: sound and pages want some too, and beside others a
look takes longer than alone."""

Key = TypeVar("Key")


def choose(due_at: Iterable[tuple[Key, float]], now: float) -> Key | None:
    """Of sessions and their due times the one to serve now; the first of equals."""
    due = [item for item in due_at if item[1] <= now]
    return min(due, key=lambda item: item[1])[0] if due else None


def scheduler_of(engine: Engine, limits: Limits | None = None) -> Scheduler:
    """The one scheduler of ``engine`` in this process; the first caller sets its limits.

    All share the process's budget of speakers, and the machine. Any thread may call.
    """
    with _making:
        if id(engine) not in _schedulers:
            _schedulers[id(engine)] = Scheduler(
                engine, limits=limits, budget=_speakers(), beside=schedulers
            )
        return _schedulers[id(engine)]


def _speakers() -> Budget | None:
    try:
        return process_budget()
    except LimitError as error:  # the page says it, too
        logger.error("The limits cannot be read: %s", error)
        return None


class Scheduler:
    """Owns one engine's time. Any thread may call ``add``; ``step`` is for the
    scheduler's own threads, or for a caller that simulates time with ``start=False``.

    Args:
        engine: shared.
        clock: seconds, monotonic.
        start: run threads while there are sessions.
        limits: how many speakers are let in at most, at all schedulers together.
        budget: of speakers, shared by all schedulers.
        beside: the schedulers on this machine, this one may be among them.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], float] = time.monotonic,
        start: bool = True,
        limits: Limits | None = None,
        budget: Budget | None = None,
        beside: Callable[[], Sequence[Scheduler]] = tuple,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._limits = limits or Limits()
        self._most_threads = engine.n_parallel if start else 0
        self._lock = threading.Lock()  # guards the three below, never held at the model
        self._sessions: list[LiveSession] = []
        self._claimed: dict[LiveSession, float] = {}  # those that a thread is busy with: since when
        self._n_threads = 0
        self._given_back_at = 0.0  # memory; written by any of the threads
        self._look_s = 0.0  # what a look takes, smoothed; written by any of the threads
        self._beside = beside
        self.line = WaitingLine(self.capacity, clock, budget)

    @property
    def n_sessions(self) -> int:
        return len(self._sessions)

    def capacity(self) -> int:
        """How many speakers can be served in time, from what looks took so far; at first
        one a worker; what the operator set, if that is less.

        All models run on one machine: what those who speak to others take of it is not
        there, and they count for what the operator set.
        """
        others = [scheduler for scheduler in self._beside() if scheduler is not self]
        n_others = sum(other.line.n_inside for other in others)
        left = 1 - sum(other.share_in_use() for other in others)
        served = self._measured_capacity() * left + 1e-9
        fits = max(int(served), 0 if n_others else 1)
        allowed = self._limits.speakers
        return fits if allowed is None else min(fits, max(0, allowed - n_others))

    def share_in_use(self) -> float:
        """How much of the machine those take who speak here, 0 to about 1."""
        return self.line.n_inside / self._measured_capacity()

    def _measured_capacity(self) -> int:
        if not self._look_s:
            return max(1, self._engine.n_parallel)
        looks_per_s = self._engine.n_parallel * self._engine.batch_size / self._look_s
        return max(1, int(_FILLED * looks_per_s * _AT_LEAST_EVERY_S))

    def lags_s(self) -> list[float]:
        """How far each session's words are behind its voice, seconds."""
        with self._lock:
            sessions = list(self._sessions)
        return [session.snapshot.lag_s for session in sessions]

    def waits_s(self, session: LiveSession) -> float:
        """How long ``session`` has been waiting for the model, in line or while it works;
        long only if the model hangs. 0 once the session is done."""
        with self._lock:
            if session not in self._sessions:
                return 0.0
            since = self._claimed.get(session, session.due_at())
        return max(0.0, self._clock() - since) if math.isfinite(since) else 0.0

    def longest_wait_s(self) -> float:
        """Of all sessions."""
        with self._lock:
            sessions = list(self._sessions)
        return max(map(self.waits_s, sessions), default=0.0)

    @property
    def engine(self) -> Engine:
        """Whose time this is."""
        return self._engine

    def add(self, session: LiveSession) -> None:
        """Serve ``session`` until it is done."""
        with self._lock:
            self._sessions.append(session)
            if self._n_threads < min(len(self._sessions), self._most_threads):
                self._n_threads += 1
                threading.Thread(target=self._run, name="asr-scheduler", daemon=True).start()

    def step(self, now: float) -> bool:
        """Serve sessions that are due at ``now``, a batch; False if none had work."""
        claimed: list[LiveSession] = []
        batch: list[tuple[LiveSession, Window]] = []
        try:
            while len(batch) < self._engine.batch_size:
                session = self._claim(now)
                if session is None:
                    break
                claimed.append(session)
                session.listen(now)
                window = session.next_window()
                if window is not None:
                    batch.append((session, window))
            started = self._clock()
            self._serve(batch)
            if batch:
                self._note_look(self._clock() - started)
        finally:
            self._release(claimed)
        if batch and now - self._given_back_at > _GIVE_BACK_EVERY_S:
            self._given_back_at = now
            give_back()
        return bool(batch)

    def _claim(self, now: float) -> LiveSession | None:
        with self._lock:
            free = (s for s in self._sessions if s not in self._claimed)
            session = choose(((s, s.due_at()) for s in free), now)
            if session is not None:
                self._claimed[session] = now
            return session

    def _release(self, sessions: Sequence[LiveSession]) -> None:
        with self._lock:
            for session in sessions:
                del self._claimed[session]
            # Those just served go behind the others: that decides between equals.
            waiting = [session for session in self._sessions if session not in sessions]
            self._sessions = [s for s in (*waiting, *sessions) if not s.is_done]

    def _note_look(self, took_s: float) -> None:
        before = self._look_s
        self._look_s = before + _MEMORY * (took_s - before) if before else took_s

    def _run(self) -> None:
        while True:
            try:
                busy = self.step(self._clock())
            except Exception:
                # A bug in one step must not silence every speaker; the log tells.
                logger.exception("A step of the live scheduler failed")
                busy = False
            with self._lock:
                if self._n_threads > len(self._sessions):
                    self._n_threads -= 1
                    break
            if not busy:
                time.sleep(_IDLE_S)
        if not self._n_threads:
            give_back()

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
        """One retry, so that one speaker's trouble stays theirs."""
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
    """All of this process."""
    with _making:
        return list(_schedulers.values())


def _has_speakers(engine: Engine) -> bool:
    with _making:
        scheduler = _schedulers.get(id(engine))
    return scheduler is not None and scheduler.n_sessions > 0


busy_checks.append(_has_speakers)  # whoever is silent for a while keeps the model
_making = threading.Lock()
_schedulers: dict[int, Scheduler] = {}  # a scheduler keeps its engine, so ids stay unique
