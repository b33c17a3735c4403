"""Many speakers, one model: who is served next, and in which batch.

The sessions that are due are served in the order of how long they have been
due, up to ``MAX_BATCH`` of them in one call of the model. A session that has
just been served goes to the back, so nobody waits for more than one round of
the others. When the model is slower than the speakers, updates come less often
and each covers more audio: partial results that nobody will see are never
computed. The thread starts with the first session and ends with the last.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from asr_core.engines.base import Engine, Hypothesis, Window
from asr_core.errors import AsrError
from asr_core.live.session import LiveSession

__all__ = ["MAX_BATCH", "Scheduler", "choose", "scheduler_of"]

logger = logging.getLogger(__name__)

MAX_BATCH = 4
"""Of windows in one call: enough to fill two cores, few enough not to delay anyone."""

_IDLE_S = 0.05  # longest sleep, for sessions that finish in between

Key = TypeVar("Key")


def choose(due_at: Sequence[tuple[Key, float]], now: float, limit: int) -> list[Key]:
    """Of sessions and their due times those to serve now, earliest first."""
    due = sorted((item for item in due_at if item[1] <= now), key=lambda item: item[1])
    return [key for key, _ in due[:limit]]


def scheduler_of(engine: Engine) -> Scheduler:
    """The one scheduler of ``engine`` in this process. Any thread may call."""
    with _making:
        return _schedulers.setdefault(id(engine), Scheduler(engine))


class Scheduler:
    """Owns one engine's time. Any thread may call ``add``; ``step`` is for the
    scheduler's own thread, or for a caller that simulates time with ``start=False``.

    Args:
        engine: shared; only called from one thread at a time.
        clock: seconds, monotonic.
        start: run a thread while there are sessions.
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
        self._threaded = start
        self._lock = threading.Lock()  # guards the two below, never held at the model
        self._sessions: list[LiveSession] = []
        self._thread: threading.Thread | None = None

    @property
    def n_sessions(self) -> int:
        return len(self._sessions)

    def add(self, session: LiveSession) -> None:
        """Serve ``session`` until it is done."""
        with self._lock:
            self._sessions.append(session)
            if self._threaded and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="asr-scheduler", daemon=True)
                self._thread.start()

    def step(self, now: float) -> bool:
        """Serve the sessions that are due at ``now``; False if none had work."""
        with self._lock:
            sessions = list(self._sessions)
        waiting = [(session, session.due_at()) for session in sessions]
        batch: list[tuple[LiveSession, Window]] = []
        for session in choose(waiting, now, len(waiting)):
            session.listen(now)
            window = session.next_window()
            if window is not None:
                batch.append((session, window))
            if len(batch) == MAX_BATCH:
                break
        self._serve(batch)
        served = [session for session, _ in batch]
        with self._lock:
            # Those just served go behind the others: that decides between equals.
            waiting_still = [session for session in self._sessions if session not in served]
            self._sessions = [s for s in waiting_still + served if not s.is_done]
        return bool(batch)

    def _run(self) -> None:
        while True:
            try:
                busy = self.step(self._clock())
            except Exception:
                # A bug in one step must not silence every speaker; the log tells.
                logger.exception("A step of the live scheduler failed")
                busy = False
            with self._lock:
                if not self._sessions:
                    self._thread = None
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
