"""A process is healthy if a page can be opened and a model answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from asr_core.engines.base import Engine, Hypothesis, Window
from asr_core.ops.budget import Budget, Quota, Resource
from asr_core.server import health as module
from asr_core.server.health import ModelProbe, health
from asr_core.streaming import LiveSession, Scheduler, scheduler_for
from tests.support.engines import CountingEngine, FailingEngine, HangingEngine

resource = pytest.importorskip("resource", reason="descriptors are counted so on Unix")


@pytest.fixture(autouse=True)
def nothing_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear what other tests left in the process: answers, and models; there is no public way."""
    monkeypatch.setattr(module, "_CACHE_S", 0.0)
    monkeypatch.setattr(module, "_process", module._Health())
    monkeypatch.setattr("asr_core.streaming.scheduler._schedulers", {})


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_serving_process_is_healthy() -> None:
    assert health() is None


def test_exhausted_descriptors_are_reported() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                held.append(open("/dev/null", "rb"))  # noqa: PTH123, SIM115
        for _ in range(3):  # a page needs four
            held.pop().close()
        assert "file descriptors" in (health() or "")
        held.pop().close()
        assert health() is None
    finally:
        for file in held:
            file.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_exhausted_threads_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: threading.Thread) -> None:  # a fake for the fault: root may start any number
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        assert "thread" in (health() or "")
    assert health() is None


def test_exhausted_connections_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget({Resource.CONNECTIONS: Quota(2, 2, "{what} too many.")})
    monkeypatch.setattr(module, "process_budget", lambda: budget)
    holds = [budget.reserve(Resource.CONNECTIONS, 1) for _ in range(2)]
    assert health() == "All 2 connections for pages are in use."
    holds[0].release()
    assert health() is None


def test_an_invalid_limit_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr_core.ops.budget._made", [])
    monkeypatch.setenv("ASR_MAX_CONNECTIONS", "many")
    assert "ASR_MAX_CONNECTIONS is 'many'" in (health() or "")


def test_speakers_waiting_for_the_model_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scheduler, "max_wait_s", lambda self: 61.0)
    scheduler_for(CountingEngine())  # type: ignore[arg-type]
    assert "waiting" in (health() or "")


class AnsweringEngine:
    """A fake model that answers at once, and counts its calls."""

    n_parallel = batch_size = 1
    languages = ("en",)

    def __init__(self) -> None:
        self.windows: list[Window] = []

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis]:
        self.windows += windows
        return []


def wait_for_probes() -> None:
    """Wait until no model is being probed."""
    for thread in threading.enumerate():
        if thread.name == "asr-probe":
            thread.join(10)


def test_an_idle_model_is_probed_once_a_minute() -> None:
    clock, engine = Clock(), AnsweringEngine()
    probe = ModelProbe(engine, clock)  # type: ignore[arg-type]
    for clock.now_s in (0.0, 1.0, 59.0, 60.0, 119.0, 120.0):
        probe.start_if_due()
        wait_for_probes()
    assert len(engine.windows) == 3
    assert probe.fault() is None


def test_an_unloaded_model_is_not_loaded_by_a_probe() -> None:
    engine = AnsweringEngine()
    engine.is_loaded = False  # type: ignore[attr-defined]
    ModelProbe(engine).start_if_due()  # type: ignore[arg-type]
    wait_for_probes()
    assert not engine.windows


def test_an_idle_model_that_hangs_is_reported(
    tiny_engine: Engine, eventually: Callable[..., None]
) -> None:
    clock, engine = Clock(), HangingEngine(tiny_engine)
    probe = ModelProbe(engine, clock)  # type: ignore[arg-type]
    probe.start_if_due()
    assert engine.is_asked.wait(10)
    assert probe.fault() is None
    n_threads = threading.active_count()
    for clock.now_s in (61.0, 122.0, 183.0):
        assert "hangs" in (probe.fault() or "")
        probe.start_if_due()
    assert threading.active_count() <= n_threads  # one hanging thread, not one a minute
    engine.go_on.set()
    eventually(lambda: probe.fault() is None)


def test_a_failing_model_is_reported_until_it_answers(
    tiny_engine: Engine, eventually: Callable[..., None]
) -> None:
    broken = True
    scheduler_for(FailingEngine(tiny_engine, lambda windows: broken))  # type: ignore[arg-type]
    eventually(lambda: health() == "The model fails a test (EngineError).")
    broken = False
    module._process._probes.popitem()[1]._started_at = 0.0
    health()
    eventually(lambda: health() is None)


def test_a_model_with_a_live_session_is_not_probed() -> None:
    engine, session = AnsweringEngine(), LiveSession()
    scheduler_for(engine).add(session)  # type: ignore[arg-type]
    assert health() is None
    wait_for_probes()
    assert not engine.windows
    session.finish()


def test_page_checks_are_part_of_health(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_page_checks", list(module._page_checks))
    module.add_page_check(lambda: "No page is drawn.")
    assert health() == module.page_fault() == "No page is drawn."
