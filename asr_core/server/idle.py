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
    """Have uvicorn end connections that are idle, and refuse more than ``most`` at once.

    Those that became WebSockets do not count. To be called before the server starts.
    """
    protocol: Any = AutoHTTPProtocol
    original = protocol.connection_made

    def connection_made(self: Any, transport: Any) -> None:
        original(self, transport)
        if len(self.connections) > most:
            transport.abort()
        else:
            self.loop.call_later(REQUEST_WITHIN_S, _end_if_idle, self, None)

    protocol.connection_made = connection_made


def _end_if_idle(connection: Any, last_request: Any) -> None:
    """Look again and again, until it has ended or become a WebSocket."""
    if connection not in connection.connections:
        return
    request = connection.cycle
    is_busy = request is not None and not request.response_complete
    if not is_busy and request is last_request:
        connection.transport.close()
        return
    connection.loop.call_later(REQUEST_WITHIN_S, _end_if_idle, connection, request)
