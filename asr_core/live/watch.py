"""A clock for what must end by itself: whoever sends nothing cannot be asked by its frames."""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

__all__ = ["Watch", "Watched"]

logger = logging.getLogger(__name__)

EVERY_S = 0.5


class Watched(Protocol):
    """Something with times of its own."""

    def check(self, now: float) -> bool:
        """Do what is due at ``now``, in seconds of ``time.monotonic``; False if nothing else is."""
        ...


class Watch:
    """One thread for all, while there is anything to watch. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the two below
        self._watched: set[Watched] = set()
        self._is_running = False

    def add(self, watched: Watched) -> None:
        """Check ``watched`` until it says that nothing is due any more."""
        with self._lock:
            self._watched.add(watched)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="asr-watch", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(EVERY_S)
            with self._lock:
                watched = list(self._watched)
                if not watched:
                    self._is_running = False
                    return
            for one in watched:
                self._check(one)
            del one, watched  # nothing is kept alive over the pause

    def _check(self, one: Watched) -> None:
        with self._lock:
            self._watched.discard(one)  # first: it may be added anew while it is checked
        try:
            goes_on = one.check(time.monotonic())
        except Exception:  # a bug with one must not keep the others from ending
            logger.exception("What is due was not done")
            goes_on = True
        if goes_on:
            self.add(one)
