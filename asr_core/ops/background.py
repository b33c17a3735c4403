"""Background thread that works through items while there are any."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["BackgroundWorker"]

Item = TypeVar("Item")


class BackgroundWorker(Generic[Item]):
    """Thread, started with the first item and gone after the last.

    The owner keeps the items and guards them with ``lock``.

    Args:
        name: of the thread.
        lock: held while ``next_item`` is called.
        next_item: returns the item to work on, marked so that it is not returned again once
            ``work`` is done with it; None if there is none.
        work: works on an item; called without the lock.
        on_idle: called in the thread before it ends.
    """

    def __init__(
        self,
        name: str,
        lock: threading.Lock,
        next_item: Callable[[], Item | None],
        work: Callable[[Item], None],
        on_idle: Callable[[], None] = lambda: None,
    ) -> None:
        self._name, self._lock = name, lock
        self._next_item, self._work, self._on_idle = next_item, work, on_idle
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Start the thread unless it runs; to be called with the lock held."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    item = self._next_item()
                    if item is None:
                        self._thread = None
                        break
                self._work(item)
        except BaseException:
            with self._lock:
                self._thread = None  # the next call of ``wake`` starts another one
            raise
        self._on_idle()
