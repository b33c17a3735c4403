"""Whose turn it is at the model: who waits for words goes before who does not."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Turns", "workers"]

_MOST_WORKERS = 4

RESERVED_S = 3.0
"""So long after an urgent call the next one is expected: somebody is speaking."""

_LOOK_S = 0.2  # how often patient callers look whether the speaking is over


def workers(n_threads: int | None) -> tuple[int, int]:
    """How many calls run side by side on a CPU, and the threads of each: more threads make one
    call faster, more workers serve more speakers, and the small steps of a decoder gain little
    from a second core.

    Args:
        n_threads: of all together; as many as there are cores by default.
    """
    cores = n_threads or os.cpu_count() or 1
    n_workers = min(cores, _MOST_WORKERS)
    return n_workers, max(1, cores // n_workers)


class Turns:
    """The workers of a model. Any thread may call.

    An urgent call takes the next worker that is free. A patient one lets urgent ones
    pass and, where there are several workers, leaves one free while somebody speaks.

    Args:
        n_workers: that can run at the same time.
        clock: seconds, monotonic.
    """

    def __init__(self, n_workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._n_workers = self._n_free = n_workers
        self._clock = clock
        self._changed = threading.Condition()  # guards all here; not held while a turn lasts
        self._n_urgent = 0  # waiting
        self._urgent_at = float("-inf")

    @contextmanager
    def take(self, *, patient: bool) -> Iterator[None]:
        """Wait for a worker and hold it for the length of the block."""
        with self._changed:
            if patient:
                self._wait_patiently()
            else:
                self._wait_urgently()
            self._n_free -= 1
        try:
            yield
        finally:
            with self._changed:
                self._n_free += 1
                self._changed.notify_all()

    def _wait_urgently(self) -> None:
        self._n_urgent += 1
        while not self._n_free:
            self._changed.wait()
        self._n_urgent -= 1
        self._urgent_at = self._clock()

    def _wait_patiently(self) -> None:
        while self._n_urgent or self._n_free <= self._n_reserved():
            self._changed.wait(_LOOK_S)

    def _n_reserved(self) -> int:
        is_spoken = self._clock() - self._urgent_at < RESERVED_S
        return 1 if is_spoken and self._n_workers > 1 else 0
