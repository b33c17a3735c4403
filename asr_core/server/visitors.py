"""Anonymous identities of browsers, kept in signed cookies.

A cookie names nobody. It carries a random id, which owns what this browser made, and by its
signature whether the browser was invited.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, replace

from itsdangerous import BadSignature, URLSafeTimedSerializer

__all__ = ["COOKIE_MAX_AGE_S", "Visitor", "VisitorCookies", "is_invitation"]

COOKIE_MAX_AGE_S = 30 * 24 * 3600
"""Lifetime of the cookie, equal to that of Streamlit's sign-in."""


@dataclass(frozen=True)
class Visitor:
    """Visitor, as known by a browser's cookie.

    Attributes:
        id: random, known only to that browser and this server.
        is_invited: whether it presented the current invitation.
        needs_cookie: whether its cookie is missing or old and has to be written.
    """

    id: str
    is_invited: bool = False
    needs_cookie: bool = True

    @classmethod
    def new(cls) -> Visitor:
        """Return a visitor with a new id."""
        return cls(secrets.token_urlsafe(24))

    def signed_in_as(self, user: str | None) -> Visitor:
        """Return the visitor for ``user`` of this browser, with an id of its own.

        On a shared computer, users then do not find each other's work.
        """
        if user is None:
            return self
        return replace(self, id=hashlib.sha256(f"{self.id}\0{user}".encode()).hexdigest())


class VisitorCookies:
    """Signed cookies. Any thread may call.

    Uninvited visitors' cookies are signed with a secret of this process. Invited visitors'
    are signed with a key derived from the invitation: they survive a restart, expire with the
    invitation, and nobody else ever gets one to guess it from.
    """

    def __init__(self, invitation: str = "") -> None:
        self._uninvited = _serializer(secrets.token_bytes(32))
        self._invited = _serializer(_derive_key(invitation)) if invitation else None

    def write(self, visitor: Visitor) -> str:
        """Return the cookie's value."""
        serializer = self._invited if visitor.is_invited else self._uninvited
        if serializer is None:
            raise ValueError("there is no invitation to be invited with")
        return str(serializer.dumps(visitor.id))

    def read(self, value: str | None) -> Visitor | None:
        """Return the visitor of a cookie; None if it is invalid or expired."""
        for serializer in (self._uninvited, self._invited):
            if serializer is not None and value:
                try:
                    name, written = serializer.loads(
                        value, max_age=COOKIE_MAX_AGE_S, return_timestamp=True
                    )
                except BadSignature:
                    continue
                is_old = time.time() - written.timestamp() > COOKIE_MAX_AGE_S / 2
                return Visitor(str(name), serializer is self._invited, is_old)
        return None


def _serializer(key: bytes) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(key, salt="visitor")


def _derive_key(invitation: str) -> bytes:
    """Return a signing key, derived slowly (RFC 7914) because invitations may be short."""
    return hashlib.scrypt(invitation.encode(), salt=b"visitor", n=1 << 14, r=8, p=1)


def is_invitation(given: str, invitation: str) -> bool:
    """Return whether ``given`` is the invitation, compared in constant time."""
    return bool(invitation) and hmac.compare_digest(given.encode(), invitation.encode())
