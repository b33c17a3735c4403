from __future__ import annotations

import threading
import time

import pytest

from asr_core.engines.worker_pool import RESERVED_S, PriorityWorkerPool


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def started(
    pool: PriorityWorkerPool, *, background: bool
) -> tuple[threading.Event, threading.Event]:
    """Start a caller in a thread; return the events that it runs and that it may end."""
    has_turn, end = threading.Event(), threading.Event()

    def run() -> None:
        with pool.acquire(background=background):
            has_turn.set()
            end.wait(10)

    threading.Thread(target=run, daemon=True).start()
    return has_turn, end


@pytest.mark.parametrize("background", [True, False])
def test_no_more_than_the_workers_run_at_once(background: bool) -> None:
    pool = PriorityWorkerPool(2)
    callers = [started(pool, background=background) for _ in range(3)]
    time.sleep(0.3)
    assert sum(has_turn.is_set() for has_turn, _ in callers) == 2
    for _, end in callers:
        end.set()
    assert all(has_turn.wait(5) for has_turn, _ in callers)


def test_a_live_call_goes_before_background_ones() -> None:
    pool = PriorityWorkerPool(1)
    _, end_first = started(pool, background=True)
    time.sleep(0.1)
    waiting, _ = started(pool, background=True)
    time.sleep(0.1)
    urgent, end_urgent = started(pool, background=False)
    time.sleep(0.1)
    end_first.set()
    assert urgent.wait(5)
    assert not waiting.wait(0.5)
    end_urgent.set()
    assert waiting.wait(5)


def test_a_worker_is_reserved_for_live_calls() -> None:
    clock = Clock()
    pool = PriorityWorkerPool(2, clock)
    with pool.acquire(background=False):
        pass
    first, _ = started(pool, background=True)
    second, _ = started(pool, background=True)
    time.sleep(0.5)
    assert first.is_set() != second.is_set()
    urgent, _ = started(pool, background=False)
    assert urgent.wait(5)
    clock.now += RESERVED_S + 1


def test_background_calls_may_use_all_workers_without_live_ones() -> None:
    clock = Clock()
    pool = PriorityWorkerPool(2, clock)
    with pool.acquire(background=False):
        pass
    callers = [started(pool, background=True) for _ in range(2)]
    time.sleep(0.3)
    clock.now += RESERVED_S + 1
    assert all(has_turn.wait(5) for has_turn, _ in callers)
