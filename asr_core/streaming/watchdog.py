"""Watchdog: calls what must end by itself, since a silent client triggers no call."""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

__all__ = ["Watchable", "Watchdog"]

logger = logging.getLogger(__name__)

CHECK_PERIOD_S = 0.5


class Watchable(Protocol):
    """Object with deadlines of its own."""

    def check(self, now: float) -> bool:
        """Act on what is due; return False if nothing else will be.

        Args:
            now: on the clock of ``time.monotonic``.
        """
        ...


class Watchdog:
    """Thread that checks all objects, while there are any. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the two below
        self._watched: set[Watchable] = set()
        self._is_running = False

    def add(self, watched: Watchable) -> None:
        """Check ``watched`` until it returns False."""
        with self._lock:
            self._watched.add(watched)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="asr-watch", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(CHECK_PERIOD_S)
            with self._lock:
                watched = list(self._watched)
                if not watched:
                    self._is_running = False
                    return
            for one in watched:
                self._check(one)
            del one, watched  # keep nothing alive while sleeping

    def _check(self, one: Watchable) -> None:
        with self._lock:
            self._watched.discard(one)  # first: the check may add it again
        try:
            goes_on = one.check(time.monotonic())
        except Exception:  # a bug with one must not keep the others from ending
            logger.exception("A deadline could not be checked")
            goes_on = True
        if goes_on:
            self.add(one)
