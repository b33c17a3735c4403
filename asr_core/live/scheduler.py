"""Many speakers, one model: who is served next.

Every session says when its next update is due: its period after the last one,
or at once where an utterance has ended. The session that has been due for the
longest is served first, so nobody waits for more than one round of the others,
and what is final never waits behind what is not. A session hands out its newest
window when its turn comes, not when it became due: when the model is slower than
the speakers, updates come less often, each covers more audio, and partial
results that nobody will see are never computed. Nothing is queued, so nothing
can pile up. When looks are cheap and nobody else is served, they come sooner.

As many threads serve as the engine has workers, each a batch of the size that
the engine likes best; a session is with one of them at a time. They start with
the sessions and end with them. A batch that fails is tried again session by
session, once, so that one speaker's trouble stays theirs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from asr_core.engines.base import Engine, Hypothesis, Window
from asr_core.errors import AsrError
from asr_core.live.session import LiveSession

__all__ = ["Scheduler", "choose", "scheduler_of"]

logger = logging.getLogger(__name__)

_IDLE_S = 0.05  # longest sleep, for sessions that finish in between

_CHEAP_S = 0.12
_LEAD_S = 0.1
"""While looks take less than the first, whoever is alone is served so much before it is
due: a quarter sooner to read, at two thirds of what a dearer look costs."""

_MEMORY = 0.1  # weight of the newest look in their mean

Key = TypeVar("Key")


def choose(due_at: Iterable[tuple[Key, float]], now: float) -> Key | None:
    """Of sessions and their due times the one to serve now; the first of equals."""
    due = [item for item in due_at if item[1] <= now]
    return min(due, key=lambda item: item[1])[0] if due else None


def scheduler_of(engine: Engine) -> Scheduler:
    """The one scheduler of ``engine`` in this process. Any thread may call."""
    with _making:
        return _schedulers.setdefault(id(engine), Scheduler(engine))


class Scheduler:
    """Owns one engine's time. Any thread may call ``add``; ``step`` is for the
    scheduler's own threads, or for a caller that simulates time with ``start=False``.

    Args:
        engine: shared.
        clock: seconds, monotonic.
        start: run threads while there are sessions.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], float] = time.monotonic,
        start: bool = True,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._most_threads = engine.n_parallel if start else 0
        self._lock = threading.Lock()  # guards the three below, never held at the model
        self._sessions: list[LiveSession] = []
        self._claimed: set[LiveSession] = set()  # those that a thread is busy with
        self._n_threads = 0
        self._look_s = 0.0  # what a look takes, smoothed; written by any of the threads

    @property
    def n_sessions(self) -> int:
        return len(self._sessions)

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
                self._look_s += _MEMORY * (self._clock() - started - self._look_s)
        finally:
            self._release(claimed)
        return bool(batch)

    def _claim(self, now: float) -> LiveSession | None:
        with self._lock:
            free = (s for s in self._sessions if s not in self._claimed)
            is_idle = self._look_s < _CHEAP_S and not self._claimed
            due_by = now + _LEAD_S if is_idle else now
            session = choose(((s, s.due_at()) for s in free), due_by)
            if session is not None:
                self._claimed.add(session)
            return session

    def _release(self, sessions: Sequence[LiveSession]) -> None:
        with self._lock:
            self._claimed.difference_update(sessions)
            # Those just served go behind the others: that decides between equals.
            waiting = [session for session in self._sessions if session not in sessions]
            self._sessions = [s for s in (*waiting, *sessions) if not s.is_done]

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
                    return
            if not busy:
                time.sleep(_IDLE_S)

    def _serve(self, batch: list[tuple[LiveSession, Window]]) -> None:
        if not batch:
            return
        try:
            hypotheses = self._engine.transcribe([window for _, window in batch])
        except Exception as error:
            logger.warning("A batch of %d failed: %s", len(batch), error)
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


_making = threading.Lock()
_schedulers: dict[int, Scheduler] = {}  # a scheduler keeps its engine, so ids stay unique
