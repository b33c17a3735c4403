"""Limits on idle connections and message sizes that uvicorn (0.54) lacks.

Uvicorn waits without end for a connection's first request, for the rest of a request, and
for a client to read a response. Streamlit allows messages of 200 MB.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = ["close_idle_connections", "limit_message_size"]

IDLE_TIMEOUT_S = 20.0
"""Time limit from a connection's start, or the end of a response, to the next request."""

MAX_STALLED_CHECKS = 15
"""Five minutes in which a client read nothing of a response. Browsers stop reading a recording
that is not being played, and request the rest when it is."""


def limit_message_size(max_bytes: int) -> None:
    """Make uvicorn refuse longer WebSocket messages before they are held in memory."""
    protocol: Any = WebSocketsSansIOProtocol
    original = protocol.__init__

    def init(self: Any, config: Any, *rest: Any, **named: Any) -> None:
        config.ws_max_size = max_bytes
        original(self, config, *rest, **named)

    protocol.__init__ = init


def close_idle_connections(max_total: int, max_per_address: int) -> None:
    """Make uvicorn close idle connections, and the oldest idle one where there are too many.

    Connections that became WebSockets do not count. Call before the server starts.

    Args:
        max_total: connections of the server.
        max_per_address: connections of one client address; further ones are refused.
    """
    protocol: Any = AutoHTTPProtocol
    made, lost = protocol.connection_made, protocol.connection_lost
    monitor = _ConnectionMonitor(max_total, max_per_address)

    def connection_made(self: Any, transport: Any) -> None:
        made(self, transport)
        monitor.add(self)

    def connection_lost(self: Any, error: Exception | None) -> None:
        monitor.remove(self)
        lost(self, error)

    protocol.connection_made, protocol.connection_lost = connection_made, connection_lost


class _ConnectionMonitor:
    """HTTP connections, oldest first; only for the server's loop."""

    def __init__(self, max_total: int, max_per_address: int) -> None:
        self._max_total, self._max_per_address = max_total, max_per_address
        self._addresses: dict[Any, str] = {}  # by connection
        self._n_by_address: Counter[str] = Counter()

    def add(self, connection: Any) -> None:
        address = connection.client[0] if connection.client else ""
        if self._n_by_address[address] >= self._max_per_address:
            self._forget_upgraded()
        if self._n_by_address[address] >= self._max_per_address or (
            len(connection.connections) > self._max_total and not self._close_oldest_idle()
        ):
            connection.transport.abort()
            return
        self._addresses[connection] = address
        self._n_by_address[address] += 1
        connection.loop.call_later(IDLE_TIMEOUT_S, self._check, connection, None, 0)

    def remove(self, connection: Any) -> None:
        address = self._addresses.pop(connection, None)
        if address is not None:
            self._n_by_address[address] -= 1
            if not self._n_by_address[address]:
                del self._n_by_address[address]

    def _forget_upgraded(self) -> None:
        for connection in [c for c in self._addresses if c not in c.connections]:
            self.remove(connection)

    def _close_oldest_idle(self) -> bool:
        """Close the oldest idle connection in favour of a new one; return whether there was one."""
        self._forget_upgraded()
        idle = next((each for each in self._addresses if not _is_busy(each)), None)
        if idle is not None:
            self.remove(idle)
            idle.transport.abort()
        return idle is not None

    def _check(self, connection: Any, before: tuple[Any, int] | None, n_same: int) -> None:
        """Check a connection periodically, until it has closed or become a WebSocket."""
        if connection not in connection.connections:
            self.remove(connection)
            return
        now = (connection.cycle, connection.transport.get_write_buffer_size())
        n_same = n_same + 1 if now == before or connection.cycle is None else 0
        if _is_busy(connection):
            has_stalled = now[1] > 0 and n_same >= MAX_STALLED_CHECKS
        else:
            has_stalled = n_same > 0
        if has_stalled:
            self.remove(connection)
            connection.transport.abort()
            return
        connection.loop.call_later(IDLE_TIMEOUT_S, self._check, connection, now, n_same)


def _is_busy(connection: Any) -> bool:
    return connection.cycle is not None and not connection.cycle.response_complete
