"""Limits that uvicorn (0.54) lacks, or that nobody can set: idle connections, long messages.

It waits for the first request of a connection, for the rest of one that has begun, and for
somebody to read an answer, without an end. Streamlit lets a message have 200 MB.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = ["bound_messages", "end_idle_connections"]

REQUEST_WITHIN_S = 20.0
"""From the beginning of a connection, or the end of an answer, to the next request."""

N_LOOKS_UNREAD = 15
"""Five minutes in which nothing of an answer was read: browsers pause so a recording that is
not played, and ask for the rest again when it is."""


def bound_messages(most_bytes: int) -> None:
    """Have uvicorn refuse longer messages of WebSockets before it holds them in memory."""
    protocol: Any = WebSocketsSansIOProtocol
    original = protocol.__init__

    def init(self: Any, config: Any, *rest: Any, **named: Any) -> None:
        config.ws_max_size = most_bytes
        original(self, config, *rest, **named)

    protocol.__init__ = init


def end_idle_connections(most: int, most_each: int) -> None:
    """Have uvicorn end connections that are idle; of more than ``most``, the oldest of them.

    An address has no more than ``most_each``. Those that became WebSockets do not count. To
    be called before the server starts.
    """
    protocol: Any = AutoHTTPProtocol
    made, lost = protocol.connection_made, protocol.connection_lost
    watch = _Watch(most, most_each)

    def connection_made(self: Any, transport: Any) -> None:
        made(self, transport)
        watch.add(self)

    def connection_lost(self: Any, error: Exception | None) -> None:
        watch.remove(self)
        lost(self, error)

    protocol.connection_made, protocol.connection_lost = connection_made, connection_lost


class _Watch:
    """All plain connections, oldest first; for the server's loop alone."""

    def __init__(self, most: int, most_each: int) -> None:
        self._most, self._most_each = most, most_each
        self._all: dict[Any, str] = {}  # with their addresses
        self._n_of: Counter[str] = Counter()

    def add(self, connection: Any) -> None:
        address = connection.client[0] if connection.client else ""
        if self._n_of[address] >= self._most_each:
            self._forget_upgraded()
        if self._n_of[address] >= self._most_each or (
            len(connection.connections) > self._most and not self._made_room()
        ):
            connection.transport.abort()
            return
        self._all[connection] = address
        self._n_of[address] += 1
        connection.loop.call_later(REQUEST_WITHIN_S, self._look, connection, None, 0)

    def remove(self, connection: Any) -> None:
        address = self._all.pop(connection, None)
        if address is not None:
            self._n_of[address] -= 1
            if not self._n_of[address]:
                del self._n_of[address]

    def _forget_upgraded(self) -> None:
        for connection in [c for c in self._all if c not in c.connections]:
            self.remove(connection)

    def _made_room(self) -> bool:
        """End the oldest that is idle: whoever comes now may be a person."""
        self._forget_upgraded()
        idle = next((connection for connection in self._all if not _is_busy(connection)), None)
        if idle is not None:
            self.remove(idle)
            idle.transport.abort()
        return idle is not None

    def _look(self, connection: Any, before: tuple[Any, int] | None, n_same: int) -> None:
        """Look again and again, until it has ended or become a WebSocket."""
        if connection not in connection.connections:
            self.remove(connection)
            return
        now = (connection.cycle, connection.transport.get_write_buffer_size())
        n_same = n_same + 1 if now == before or connection.cycle is None else 0
        if _is_busy(connection):
            has_stalled = now[1] > 0 and n_same >= N_LOOKS_UNREAD
        else:
            has_stalled = n_same > 0
        if has_stalled:
            self.remove(connection)
            connection.transport.abort()
            return
        connection.loop.call_later(REQUEST_WITHIN_S, self._look, connection, now, n_same)


def _is_busy(connection: Any) -> bool:
    return connection.cycle is not None and not connection.cycle.response_complete
