"""Host names and origins that the app accepts.

After DNS rebinding, a browser sends the attacker's host name as ``Host``; another site's page
sends its own address as ``Origin``.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

__all__ = ["AllowedHosts"]

_ALWAYS_ALLOWED = ("localhost", "*.localhost", "*.local", "*.streamlit.app")
"""Names that an attacker cannot register: those of this machine, of the local network
(RFC 6762) and of Community Cloud."""


class AllowedHosts:
    """Allow list of host names. Any thread may call.

    Args:
        names: host names as in ``ASR_ALLOWED_HOSTS``; ``*.example.org`` stands for all below
            one, ``*`` for any. IP addresses, ``localhost``, this machine's own name,
            ``*.local`` and ``*.streamlit.app`` are always allowed.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        listed = (name.strip().lower().rstrip(".") for name in names)
        self._configured = tuple(name for name in listed if name)
        own = socket.gethostname().lower()
        self._names = (*_ALWAYS_ALLOWED, own, *self._configured)

    def allows_host(self, host: str | None) -> bool:
        """Return whether a ``Host`` header names this app."""
        name = _host_name(host)
        if name is None:
            return False
        return _is_address(name) or any(_matches(name, pattern) for pattern in self._names)

    def allows_origin(self, origin: str | None, host: str | None) -> bool:
        """Return whether a page at ``origin`` may send requests; None is no page at all."""
        if origin is None:
            return True
        try:
            netloc = urlsplit(origin).netloc.lower() if "://" in origin else ""
        except ValueError:  # such as http://[
            return False
        if not netloc:
            return False
        if host is not None and netloc == host.lower():
            return True
        # Behind a proxy that changes the name: only configured ones.
        name = _host_name(netloc)
        if name is None or urlsplit(origin).port not in (None, 80, 443):
            return False
        return any(_matches(name, pattern) for pattern in self._configured if pattern != "*")


def _host_name(host: str | None) -> str | None:
    """Return the name without the port; None if ``host`` is malformed."""
    if not host or any(char in host for char in "@/?#\\ "):
        return None
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises if it is not a number
    except ValueError:
        return None
    return parts.hostname.lower().rstrip(".") if parts.hostname else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _matches(name: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return name.endswith(pattern[1:])
    return pattern in ("*", name)
