"""Connections that ask for nothing end, so that nobody can hold all descriptors with them.

uvicorn (0.54) waits for the first request of a connection, and for the rest of one that
has begun, without an end, and has no setting for either.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

__all__ = ["end_idle_connections"]

REQUEST_WITHIN_S = 20.0
"""From the beginning of a connection, or the end of an answer, to the next request."""


def end_idle_connections(most: int) -> None:
    """Have uvicorn end connections that are idle; of more than ``most``, the oldest of them.

    Those that became WebSockets do not count. To be called before the server starts.
    """
    protocol: Any = AutoHTTPProtocol
    original = protocol.connection_made
    oldest_first: dict[Any, None] = {}  # for the server's loop alone

    def connection_made(self: Any, transport: Any) -> None:
        original(self, transport)
        oldest_first[self] = None
        self.loop.call_later(REQUEST_WITHIN_S, _end_if_idle, self, None, oldest_first)
        if len(self.connections) > most:
            _make_room(oldest_first)

    protocol.connection_made = connection_made


def _make_room(oldest_first: dict[Any, None]) -> None:
    """End the oldest that is idle: whoever comes now may be a person."""
    for connection in list(oldest_first):
        if connection not in connection.connections:
            del oldest_first[connection]
        elif not _is_busy(connection):
            del oldest_first[connection]
            connection.transport.abort()
            return


def _is_busy(connection: Any) -> bool:
    return connection.cycle is not None and not connection.cycle.response_complete


def _end_if_idle(connection: Any, last_request: Any, oldest_first: dict[Any, None]) -> None:
    """Look again and again, until it has ended or become a WebSocket."""
    if connection not in connection.connections:
        oldest_first.pop(connection, None)
        return
    request = connection.cycle
    if not _is_busy(connection) and request is last_request:
        oldest_first.pop(connection, None)
        connection.transport.close()
        return
    connection.loop.call_later(REQUEST_WITHIN_S, _end_if_idle, connection, request, oldest_first)
