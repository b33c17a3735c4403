from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from asr_core.server import uvicorn_limits

MOST, MOST_EACH = 20, 60


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]) -> Iterator[int]:
    """Of a real server that looks after its connections."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/long":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(100):
                await send(
                    {"type": "http.response.body", "body": bytes(1_000_000), "more_body": True}
                )
            return
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-length", b"2")]})  # fmt: skip
        await send({"type": "http.response.body", "body": b"ok"})

    for name in ("connection_made", "connection_lost"):
        monkeypatch.setattr(AutoHTTPProtocol, name, getattr(AutoHTTPProtocol, name))
    monkeypatch.setattr(uvicorn_limits, "REQUEST_WITHIN_S", 0.3)
    monkeypatch.setattr(uvicorn_limits, "N_LOOKS_UNREAD", 2)
    uvicorn_limits.end_idle_connections(MOST, MOST_EACH)
    config = uvicorn.Config(app, port=0, lifespan="off", log_level="error", timeout_keep_alive=60)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    eventually(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(10)
    return connection


def answer_to(connection: socket.socket) -> bytes:
    got = b""
    while not got.endswith(b"ok"):
        part = connection.recv(1000)
        assert part, "ended without an answer"
        got += part
    return got


REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_who_asks_nothing_or_half_a_question_is_cut_off(port: int) -> None:
    for begun in (b"", b"GET / HT", REQUEST[:-2]):
        with connect(port) as connection:
            connection.sendall(begun)
            assert connection.recv(100) == b""


def test_half_a_second_question_is_no_better(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(REQUEST)
        assert answer_to(connection)
        connection.sendall(b"GET / HT")
        assert connection.recv(100) == b""


def test_who_asks_and_does_not_read_is_cut_off(port: int, eventually: Callable[..., None]) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.settimeout(10)
        connection.sendall(REQUEST.replace(b"GET /", b"GET /long"))
        time.sleep(1.5)
        n_read = 0
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(1_000_000):
                n_read += len(part)
        assert n_read < 20_000_000


def test_one_address_has_so_many_connections_and_no_more(port: int) -> None:
    crowd = [connect(port) for _ in range(MOST_EACH + 20)]
    for connection in crowd:
        connection.close()
    with connect(port) as connection:  # those that have ended no longer count
        connection.sendall(REQUEST)
        assert answer_to(connection)


def test_too_many_at_once_do_not_keep_others_out(port: int) -> None:
    crowd = [connect(port) for _ in range(MOST_EACH - 1)]
    with connect(port) as connection:  # they are all there still
        connection.sendall(REQUEST)
        assert answer_to(connection)
    ended = 0
    for connection in crowd:
        try:
            ended += connection.recv(100) == b""
        except ConnectionResetError:
            ended += 1
        connection.close()
    assert ended == len(crowd)
