"""Metrics and health, as a monitoring system reads them."""

from __future__ import annotations

import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest

from asr_core.engines.base import Engine
from asr_core.ops.budget import Resource, process_budget
from asr_core.ops.metrics import count_error, count_file, count_recording
from asr_core.server import status_server
from asr_core.server.status import serve_metrics, server_status
from asr_core.server.status_server import StatusServer
from asr_core.streaming import LiveSession, scheduler_for


@pytest.fixture
def server() -> Iterator[StatusServer]:
    running = serve_metrics(0)
    yield running
    running.close()


@pytest.fixture
def address(server: StatusServer) -> str:
    return f"http://127.0.0.1:{server.port}"


def read(address: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{address}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def test_metrics_are_served_and_contain_no_text(
    address: str, tiny_engine: Engine, beckett: np.ndarray
) -> None:
    before = read(address)
    count_error("file", ValueError("a secret sentence"))
    count_file(60.0, 1.5)
    count_recording(30.0, 2.0, 5.0)
    scheduler = scheduler_for(tiny_engine)
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
    for what, seconds in (("audio", 30), ("gap", 2), ("refused", 5)):
        name = f"asr_take_{what}_seconds_total"
        assert during[name] == before[name] + seconds
    now = server_status()
    assert now.n_speaking == during["asr_live_sessions"]
    assert now.file_rtfx is not None
    assert ("file", "ValueError", during[key]) in now.errors
    session.finish()
    assert session.wait(60)
    with urllib.request.urlopen(f"{address}/metrics") as answer:
        assert b"secret" not in answer.read()


def test_the_budget_is_in_the_metrics(address: str) -> None:
    with process_budget().reserve(Resource.UPLOADS, 1000.0, "somebody"):
        during = read(address)
    after = read(address)
    resource = 'resource="upload_bytes"'
    assert (
        during[f"asr_budget_used{{{resource}}}"] == 1000 + after[f"asr_budget_used{{{resource}}}"]
    )
    assert (
        during[f"asr_budget_owners{{{resource}}}"] == 1 + after[f"asr_budget_owners{{{resource}}}"]
    )
    assert during[f"asr_budget_total{{{resource}}}"] > 1000
    assert {f'asr_budget_total{{resource="{name}"}}' for name in Resource} <= set(during)
    assert during["asr_threads"] >= 2
    if sys.platform == "linux":
        assert 0 < during["process_open_fds"] < during["process_max_fds"]


def test_health_is_reported_with_the_reason(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with urllib.request.urlopen(f"{address}/health") as answer:
        assert answer.read() == b"ok\n"
    monkeypatch.setattr(status_server, "health", lambda: "The model hangs.")
    with pytest.raises(urllib.error.HTTPError, match="503") as refusal:
        urllib.request.urlopen(f"{address}/health")
    assert refusal.value.read() == b"The model hangs.\n"


def connections(server: StatusServer, n: int, say: bytes = b"") -> list[socket.socket]:
    """Open ``n`` connections that each send ``say`` and nothing else."""
    made = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(n)]
    for connection in made:
        connection.sendall(say)
    return made


@pytest.mark.parametrize("say", [b"", b"GET /health HTTP/1.1\r\n"])
def test_five_hundred_idle_connections_do_not_hold_up_health(
    server: StatusServer, address: str, say: bytes
) -> None:
    idle = connections(server, 500, say)
    with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
        assert answer.read() == b"ok\n"
    for connection in idle:
        connection.close()


def test_idle_connections_hold_only_a_few_descriptors(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_server, "_MAX_CONNECTIONS", 3)
    idle = connections(server, 5)
    for pushed_out in idle[:2]:
        pushed_out.settimeout(4)  # before their timeout
        assert was_ended(pushed_out)
    idle[4].sendall(b"GET /health HTTP/1.1\r\n\r\n")
    idle[4].settimeout(10)
    assert idle[4].recv(100).startswith(b"HTTP/1.1 200")
    for connection in idle:
        connection.close()


def was_ended(connection: socket.socket) -> bool:
    try:
        return not connection.recv(100)
    except ConnectionResetError:
        return True


def test_a_connection_that_says_nothing_is_ended(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_server, "_TIMEOUT_S", 0.2)
    [slow] = connections(server, 1)
    slow.settimeout(10)
    assert was_ended(slow)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /health HTTP/1.1\r\n\r\n", b"200"),
        (b"HEAD /health HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /health HTTP/1.1\r\n\r\n", b"400"),
        (b"\x16\x03\x01\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"GET /" + 20_000 * b"a" + b" HTTP/1.1\r\n\r\n", b""),
    ],
)
def test_every_request_is_answered_in_one_line(
    server: StatusServer, request_: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    [client] = connections(server, 1, request_)
    client.settimeout(10)
    answer = b""
    with suppress(ConnectionResetError):
        while more := client.recv(4096):
            answer += more
    assert answer.split(b" ", 2)[1:2] == ([status] if status else [])
    assert not caplog.records


def test_a_port_in_use_is_reported(server: StatusServer) -> None:
    with pytest.raises(OSError, match="in use"):
        serve_metrics(server.port)
