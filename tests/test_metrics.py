"""What a monitoring system reads."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest

from asr_core.engines.base import Engine
from asr_core.live import LiveSession, Scheduler, scheduler_of
from asr_core.metrics import count_error, count_file, figures, serve_metrics
from tests.live.engines import Counting


@pytest.fixture
def address() -> Iterator[str]:
    server = serve_metrics(0)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def read(address: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{address}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def test_figures_are_there_and_hold_no_text(
    address: str, tiny_engine: Engine, beckett: np.ndarray
) -> None:
    before = read(address)
    count_error("file", ValueError("a secret sentence"))
    count_file(60.0, 1.5)
    scheduler = scheduler_of(tiny_engine)
    session = LiveSession()
    scheduler.add(session)
    session.append(beckett)
    during = read(address)
    assert during["asr_live_sessions"] == before["asr_live_sessions"] + 1
    assert during["asr_live_capacity"] >= 1
    assert during['asr_live_lag_seconds{quantile="0.95"}'] > 0
    key = 'asr_errors_total{kind="ValueError",where="file"}'
    assert during[key] == before.get(key, 0) + 1
    assert during["asr_file_audio_seconds_total"] >= 60
    now = figures()
    assert now.speaking == during["asr_live_sessions"]
    assert now.times_real_time is not None
    assert ("file", "ValueError", during[key]) in now.errors
    session.finish()
    assert session.wait(60)
    with urllib.request.urlopen(f"{address}/metrics") as answer:
        assert b"secret" not in answer.read()


def test_health_says_that_the_model_hangs(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scheduler, "longest_wait_s", lambda self: 61.0)
    scheduler_of(Counting())  # type: ignore[arg-type]
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"{address}/health")


def test_health_says_that_the_process_answers(address: str) -> None:
    with urllib.request.urlopen(f"{address}/health") as answer:
        assert answer.read() == b"ok\n"
