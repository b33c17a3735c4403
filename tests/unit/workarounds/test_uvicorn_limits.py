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
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as open_websocket

from asr_core.workarounds import uvicorn_limits

MOST, MOST_EACH = 20, 60


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]) -> Iterator[int]:
    """Port of a real server with limited connections."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                await send({"type": "websocket.send", "text": "ok"})
            return
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
    monkeypatch.setattr(uvicorn_limits, "IDLE_TIMEOUT_S", 0.3)
    monkeypatch.setattr(uvicorn_limits, "MAX_STALLED_CHECKS", 2)
    uvicorn_limits.close_idle_connections(MOST, MOST_EACH)
    monkeypatch.setattr(WebSocketsSansIOProtocol, "__init__", WebSocketsSansIOProtocol.__init__)
    uvicorn_limits.limit_message_size(1_000)
    config = uvicorn.Config(
        app, port=0, lifespan="off", log_level="error", timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
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


def test_a_client_that_sends_no_or_half_a_request_is_cut_off(port: int) -> None:
    for begun in (b"", b"GET / HT", REQUEST[:-2]):
        with connect(port) as connection:
            connection.sendall(begun)
            assert connection.recv(100) == b""


def test_a_client_that_sends_half_a_second_request_is_cut_off(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(REQUEST)
        assert answer_to(connection)
        connection.sendall(b"GET / HT")
        assert connection.recv(100) == b""


def test_a_client_that_does_not_read_its_answer_is_cut_off(
    port: int, eventually: Callable[..., None]
) -> None:
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


def test_connections_of_one_address_are_limited(port: int) -> None:
    crowd = [connect(port) for _ in range(MOST_EACH + 20)]
    for connection in crowd:
        connection.close()
    with connect(port) as connection:  # closed ones no longer count
        connection.sendall(REQUEST)
        assert answer_to(connection)


def test_too_many_connections_at_once_do_not_block_others(port: int) -> None:
    crowd = [connect(port) for _ in range(MOST_EACH - 1)]
    with connect(port) as connection:  # the others are all still open
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


def test_a_longer_message_than_allowed_ends_the_connection(port: int) -> None:
    with open_websocket(f"ws://127.0.0.1:{port}/") as connection:
        connection.recv()  # of the first event, which opens the connection
        connection.send("x" * 1_000)
        assert connection.recv() == "ok"
        connection.send("x" * 1_001)
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv()
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009
