from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import pytest

from asr_core.ops.background import BackgroundWorker

Eventually = Callable[..., None]


class Queue:
    """A queue with a background worker, as its owners use it."""

    def __init__(self, work: Callable[[int], None]) -> None:
        self.lock, self.items, self.n_idle = threading.Lock(), deque[int](), 0
        self.worker = BackgroundWorker("asr-test", self.lock, self.next_item, work, self.idle)

    def next_item(self) -> int | None:
        assert self.lock.locked()
        return self.items.popleft() if self.items else None

    def idle(self) -> None:
        self.n_idle += 1

    def add(self, *items: int) -> None:
        with self.lock:
            self.items.extend(items)
            self.worker.wake()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "asr-test"]


def test_items_are_worked_on_in_order_and_the_thread_ends(eventually: Eventually) -> None:
    done: list[int] = []
    queue = Queue(done.append)
    queue.add(1, 2)
    eventually(lambda: queue.n_idle == 1 and not threads())
    queue.add(3)
    eventually(lambda: queue.n_idle == 2 and not threads())
    assert done == [1, 2, 3]


def test_one_thread_works_at_a_time(eventually: Eventually) -> None:
    may_go_on, done = threading.Event(), list[int]()

    def work(item: int) -> None:
        may_go_on.wait(5)
        done.append(item)

    queue = Queue(work)
    for item in range(5):
        queue.add(item)
    assert threads() == ["asr-test"]
    may_go_on.set()
    eventually(lambda: done == [0, 1, 2, 3, 4])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_failed_starts_again(eventually: Eventually) -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item == 0:
            raise RuntimeError("on purpose")
        done.append(item)

    queue = Queue(work)
    queue.add(0)
    eventually(lambda: not threads())
    queue.add(1)
    eventually(lambda: done == [1])
