"""Well means: a page can be opened, and a model answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from asr_core import health as module
from asr_core.budget import Allowance, Budget, Resource
from asr_core.engines.base import Engine, Hypothesis, Window
from asr_core.health import ModelProbe, health
from asr_core.live import LiveSession, Scheduler, scheduler_of
from asr_core.live import scheduler as live_scheduler
from tests.live.engines import Counting, Failing, Hanging

resource = pytest.importorskip("resource", reason="descriptors are counted so on Unix")


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer of another test, no model of one."""
    monkeypatch.setattr(module, "_FRESH_S", 0.0)
    monkeypatch.setattr(module, "_process", module._Health())
    monkeypatch.setattr("asr_core.live.scheduler._schedulers", {})


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_process_that_serves_is_well() -> None:
    assert health() is None


def test_no_descriptors_left_is_told() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                held.append(open("/dev/null", "rb"))  # noqa: PTH123, SIM115
        for _ in range(3):  # a page takes four
            held.pop().close()
        assert "file descriptors" in (health() or "")
        held.pop().close()
        assert health() is None
    finally:
        for file in held:
            file.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_thread_to_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: threading.Thread) -> None:  # root may start any number, so it is a fake
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        assert "thread" in (health() or "")
    assert health() is None


def test_no_connection_left_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget({Resource.CONNECTIONS: Allowance(2, 2, "{what} too many.")})
    monkeypatch.setattr(module, "process_budget", lambda: budget)
    holds = [budget.take(Resource.CONNECTIONS, 1) for _ in range(2)]
    assert health() == "All 2 connections for pages are in use."
    holds[0].release()
    assert health() is None


def test_a_wrong_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr_core.budget._made", [])
    monkeypatch.setenv("ASR_MAX_CONNECTIONS", "many")
    assert "ASR_MAX_CONNECTIONS is 'many'" in (health() or "")


def test_speakers_who_wait_for_the_model_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scheduler, "longest_wait_s", lambda self: 61.0)
    scheduler_of(Counting())  # type: ignore[arg-type]
    assert "waiting" in (health() or "")


class Knowing:
    """A model that answers nothing at once, and keeps what it was asked."""

    n_parallel = batch_size = 1
    languages = ("en",)

    def __init__(self) -> None:
        self.asked: list[Window] = []

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis]:
        self.asked += windows
        return []


def wait_for_probes() -> None:
    """Until no model is being asked."""
    for thread in threading.enumerate():
        if thread.name == "asr-probe":
            thread.join(10)


def test_a_model_that_nobody_uses_is_asked_once_a_minute() -> None:
    clock, engine = Clock(), Knowing()
    probe = ModelProbe(engine, clock)  # type: ignore[arg-type]
    for clock.now_s in (0.0, 1.0, 59.0, 60.0, 119.0, 120.0):
        probe.ask_if_due()
        wait_for_probes()
    assert len(engine.asked) == 3
    assert probe.fault() is None


def test_a_model_that_is_put_away_is_not_brought_back_by_a_test() -> None:
    engine = Knowing()
    engine.is_loaded = False  # type: ignore[attr-defined]
    ModelProbe(engine).ask_if_due()  # type: ignore[arg-type]
    wait_for_probes()
    assert not engine.asked


def test_a_model_that_nobody_uses_and_that_hangs_is_told(
    tiny_engine: Engine, eventually: Callable[..., None]
) -> None:
    clock, engine = Clock(), Hanging(tiny_engine)
    probe = ModelProbe(engine, clock)  # type: ignore[arg-type]
    probe.ask_if_due()
    assert engine.is_asked.wait(10)
    assert probe.fault() is None
    n_threads = threading.active_count()
    for clock.now_s in (61.0, 122.0, 183.0):
        assert "hangs" in (probe.fault() or "")
        probe.ask_if_due()
    assert threading.active_count() <= n_threads  # one that hangs, not one a minute
    engine.go_on.set()
    eventually(lambda: probe.fault() is None)


def test_a_model_that_fails_is_told_until_it_answers(
    tiny_engine: Engine, eventually: Callable[..., None]
) -> None:
    broken = True
    scheduler_of(Failing(tiny_engine, lambda windows: broken))  # type: ignore[arg-type]
    eventually(lambda: health() == "The model fails at a test (EngineError).")
    broken = False
    module._process._probes.popitem()[1]._asked_at = 0.0
    health()
    eventually(lambda: health() is None)


def test_a_model_that_somebody_speaks_to_is_not_asked() -> None:
    engine = Knowing()
    scheduler = Scheduler(engine, start=False)  # type: ignore[arg-type]
    scheduler.add(LiveSession())
    live_scheduler._schedulers[id(engine)] = scheduler
    assert health() is None
    wait_for_probes()
    assert not engine.asked


def test_whoever_serves_pages_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_page_checks", list(module._page_checks))
    module.add_page_check(lambda: "No page is drawn.")
    assert health() == module.page_fault() == "No page is drawn."
