"""Who a request comes from: a signed cookie for each browser, and whether it was invited.

The cookie names nobody. It carries a random id, by which the server knows what this
browser made, and whether the invitation was shown once.
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
"""As long as Streamlit keeps a sign-in."""


@dataclass(frozen=True)
class Visitor:
    """A browser.

    Attributes:
        id: random; known to that browser and this server alone.
        is_invited: it showed the invitation that holds today.
        is_due: its cookie is to be written, for the first time or since it has grown old.
    """

    id: str
    is_invited: bool = False
    is_due: bool = True

    @classmethod
    def new(cls) -> Visitor:
        """Make one that nobody knows."""
        return cls(secrets.token_urlsafe(24))

    def signed_in_as(self, user: str | None) -> Visitor:
        """Return the visitor that this browser is for ``user``: another one for each, so that
        nobody finds what was made before they signed in at a computer that people share."""
        if user is None:
            return self
        return replace(self, id=hashlib.sha256(f"{self.id}\0{user}".encode()).hexdigest())


class VisitorCookies:
    """Cookies that only this server can write. Any thread may call.

    Those of strangers are signed with a secret of this process. Those of the invited are
    signed with a key made from the invitation: they outlive a restart, end with the
    invitation, and nobody else ever gets one to guess from.
    """

    def __init__(self, invitation: str = "") -> None:
        self._strangers = _serializer(secrets.token_bytes(32))
        self._invited = _serializer(_key(invitation)) if invitation else None

    def write(self, visitor: Visitor) -> str:
        """Return the cookie's value."""
        serializer = self._invited if visitor.is_invited else self._strangers
        if serializer is None:
            raise ValueError("nobody is invited without an invitation")
        return str(serializer.dumps(visitor.id))

    def read(self, value: str | None) -> Visitor | None:
        """Return who has the cookie; None if it is none of ours, or too old."""
        for serializer in (self._strangers, self._invited):
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


def _key(invitation: str) -> bytes:
    """Slow on purpose (RFC 7914), since a word may be short."""
    return hashlib.scrypt(invitation.encode(), salt=b"visitor", n=1 << 14, r=8, p=1)


def is_invitation(given: str, invitation: str) -> bool:
    """Compare in constant time."""
    return bool(invitation) and hmac.compare_digest(given.encode(), invitation.encode())
