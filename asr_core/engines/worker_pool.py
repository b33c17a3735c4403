"""Priority access to a model's workers: live calls before background calls."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["PriorityWorkerPool", "split_threads"]

_MAX_WORKERS = 4

RESERVED_S = 3.0
"""Seconds after a live call in which the next one is expected, as somebody is speaking."""

_POLL_S = 0.2  # interval at which background calls check whether the speaker is done


def split_threads(n_threads: int | None) -> tuple[int, int]:
    """Return the number of parallel calls on a CPU and the threads of each.

    More threads make one call faster, more workers serve more speakers; the small steps of a
    decoder gain little from a second core.

    Args:
        n_threads: for all calls together; None for one per core.
    """
    cores = n_threads or os.cpu_count() or 1
    n_workers = min(cores, _MAX_WORKERS)
    return n_workers, max(1, cores // n_workers)


class PriorityWorkerPool:
    """Workers of a model, shared by live and background calls; any thread may call.

    A live call gets the next free worker. A background call lets live ones pass and, where
    there are several workers, leaves one free while somebody speaks.

    Args:
        n_workers: calls that can run at once.
        clock: monotonic, in seconds.
    """

    def __init__(self, n_workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._n_workers = self._n_free = n_workers
        self._clock = clock
        self._changed = threading.Condition()  # guards all state; not held while a worker runs
        self._n_live_waiting = 0
        self._last_live_at = float("-inf")

    @contextmanager
    def acquire(self, *, background: bool) -> Iterator[None]:
        """Wait for a worker and hold it for the length of the block."""
        with self._changed:
            if background:
                self._wait_in_background()
            else:
                self._wait_live()
            self._n_free -= 1
        try:
            yield
        finally:
            with self._changed:
                self._n_free += 1
                self._changed.notify_all()

    def _wait_live(self) -> None:
        self._n_live_waiting += 1
        while not self._n_free:
            self._changed.wait()
        self._n_live_waiting -= 1
        self._last_live_at = self._clock()

    def _wait_in_background(self) -> None:
        while self._n_live_waiting or self._n_free <= self._n_reserved():
            self._changed.wait(_POLL_S)

    def _n_reserved(self) -> int:
        is_speaking = self._clock() - self._last_live_at < RESERVED_S
        return 1 if is_speaking and self._n_workers > 1 else 0
