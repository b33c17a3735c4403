from __future__ import annotations

import threading
import time

import pytest

from asr_core.engines.turns import RESERVED_S, Turns


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def started(turns: Turns, *, patient: bool) -> tuple[threading.Event, threading.Event]:
    """A caller in a thread of its own: the event that it has its turn, the one to end it."""
    has_turn, end = threading.Event(), threading.Event()

    def run() -> None:
        with turns.take(patient=patient):
            has_turn.set()
            end.wait(10)

    threading.Thread(target=run, daemon=True).start()
    return has_turn, end


@pytest.mark.parametrize("patient", [True, False])
def test_no_more_than_the_workers_run_at_once(patient: bool) -> None:
    turns = Turns(2)
    callers = [started(turns, patient=patient) for _ in range(3)]
    time.sleep(0.3)
    assert sum(has_turn.is_set() for has_turn, _ in callers) == 2
    for _, end in callers:
        end.set()
    assert all(has_turn.wait(5) for has_turn, _ in callers)


def test_an_urgent_call_goes_before_patient_ones() -> None:
    turns = Turns(1)
    _, end_first = started(turns, patient=True)
    time.sleep(0.1)
    waiting, _ = started(turns, patient=True)
    time.sleep(0.1)
    urgent, end_urgent = started(turns, patient=False)
    time.sleep(0.1)
    end_first.set()
    assert urgent.wait(5)
    assert not waiting.wait(0.5)
    end_urgent.set()
    assert waiting.wait(5)


def test_a_worker_is_kept_for_who_speaks() -> None:
    clock = Clock()
    turns = Turns(2, clock)
    with turns.take(patient=False):
        pass
    first, _ = started(turns, patient=True)
    second, _ = started(turns, patient=True)
    time.sleep(0.5)
    assert first.is_set() != second.is_set()
    urgent, _ = started(turns, patient=False)
    assert urgent.wait(5)
    clock.now += RESERVED_S + 1


def test_all_workers_are_for_patient_calls_when_nobody_speaks() -> None:
    clock = Clock()
    turns = Turns(2, clock)
    with turns.take(patient=False):
        pass
    callers = [started(turns, patient=True) for _ in range(2)]
    time.sleep(0.3)
    clock.now += RESERVED_S + 1
    assert all(has_turn.wait(5) for has_turn, _ in callers)
