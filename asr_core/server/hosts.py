"""Under which names the app is served, and from which pages it may be reached.

A browser that was tricked into taking a foreign name for this server's address (DNS
rebinding) sends that name as ``Host``; a foreign page sends its own address as ``Origin``.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

__all__ = ["AllowedHosts"]

_ALWAYS = ("localhost", "*.localhost", "*.local", "*.streamlit.app")
"""Names that nobody can register for a server of theirs: the machine itself, the local
network's (RFC 6762), and Community Cloud's."""


class AllowedHosts:
    """Any thread may call.

    Args:
        names: as ``ASR_ALLOWED_HOSTS`` lists them: host names, ``*.example.org`` for all
            below one, ``*`` for any. IP addresses, ``localhost``, this machine's own name,
            ``*.local`` and ``*.streamlit.app`` are always allowed.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        listed = (name.strip().lower().rstrip(".") for name in names)
        self._configured = tuple(name for name in listed if name)
        own = socket.gethostname().lower()
        self._names = (*_ALWAYS, own, *self._configured)

    def has(self, host: str | None) -> bool:
        """Whether ``host``, a ``Host`` header, is a name of this app."""
        name = _host_name(host)
        if name is None:
            return False
        return _is_address(name) or any(_fits(name, pattern) for pattern in self._names)

    def allows_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether a page at ``origin`` may ask; None stands for no browser, or no page."""
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
        # Behind a proxy that changes the name: only what was configured.
        name = _host_name(netloc)
        if name is None or urlsplit(origin).port not in (None, 80, 443):
            return False
        return any(_fits(name, pattern) for pattern in self._configured if pattern != "*")


def _host_name(host: str | None) -> str | None:
    """Without port; None for what is no host."""
    if not host or any(char in host for char in "@/?#\\ "):
        return None
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for one that is no number
    except ValueError:
        return None
    return parts.hostname.lower().rstrip(".") if parts.hostname else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _fits(name: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return name.endswith(pattern[1:])
    return pattern in ("*", name)
