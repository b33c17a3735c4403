"""Small HTTP server for ``/metrics`` and ``/health``, for monitoring.

It runs only if a port is configured. An idle connection costs a descriptor for a few
seconds and delays nobody.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from contextlib import suppress

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from asr_core.server.health import health

__all__ = ["StatusServer"]

logger = logging.getLogger(__name__)

_TIMEOUT_S = 5.0
"""Time limit for a request and its response together."""

_MAX_REQUEST_BYTES = 16_384
_MAX_CONNECTIONS = 64  # a further one replaces the oldest

_PLAIN_TEXT = "text/plain; charset=utf-8"


class StatusServer:
    """Server in a thread of its own that runs until ``close``.

    Raises:
        OSError: the port is in use.
    """

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self._open: dict[asyncio.Task[None], None] = {}  # oldest first; only for the loop
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        started: Future[int] = Future()
        self._thread = threading.Thread(
            target=self._run, args=[port, address, started], name="asr-status", daemon=True
        )
        self._thread.start()
        self.port = started.result()

    def close(self) -> None:
        """Stop the server and abort its connections. Any thread may call, once."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self, port: int, address: str, started: Future[int]) -> None:
        try:
            self._loop.run_until_complete(self._main(port, address, started))
        except BaseException as error:
            started.set_exception(error)
        finally:
            self._loop.close()

    async def _main(self, port: int, address: str, started: Future[int]) -> None:
        server = await asyncio.start_server(
            self._serve, address, port, limit=_MAX_REQUEST_BYTES, backlog=1024
        )
        started.set_result(server.sockets[0].getsockname()[1])
        await self._ended.wait()
        server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= _MAX_CONNECTIONS:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.cancel()
        self._open[task] = None
        try:
            # Slow, vanished and oversized clients are nothing to report.
            with suppress(TimeoutError, OSError, EOFError, asyncio.LimitOverrunError):
                async with asyncio.timeout(_TIMEOUT_S):
                    writer.write(_response(await reader.readuntil(b"\r\n\r\n")))
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        finally:
            self._open.pop(task, None)
            writer.transport.abort()


def _response(request: bytes) -> bytes:
    """Return the whole response to ``request``, which has no body."""
    method, _, rest = request.partition(b" ")
    status, kind, body = "400 Bad Request", _PLAIN_TEXT, b"Use GET.\n"
    if method in (b"GET", b"HEAD") and b" " in rest:
        status, kind, body = _page(rest.partition(b" ")[0].partition(b"?")[0])
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == b"HEAD" else body)


def _page(path: bytes) -> tuple[str, str, bytes]:
    """Return status, content type and body for ``path``."""
    if path == b"/metrics":
        try:
            return "200 OK", CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
        except Exception:
            logger.exception("The metrics cannot be collected")
            return (
                "500 Internal Server Error",
                _PLAIN_TEXT,
                b"The metrics cannot be collected; see the log.\n",
            )
    if path == b"/health":
        fault = health()
        if fault is None:
            return "200 OK", _PLAIN_TEXT, b"ok\n"
        return "503 Service Unavailable", _PLAIN_TEXT, f"{fault}\n".encode()
    return "404 Not Found", _PLAIN_TEXT, b"There are /metrics and /health.\n"
