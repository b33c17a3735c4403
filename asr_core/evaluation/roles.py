"""Roles and permissions at the test bench, which all users of an app share.

The rules are pure functions of claims and lists. The store enforces them; pages ask the same
ones to hide what would be refused.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["NOBODY", "Actor", "Role", "resolve_actor", "resolve_role", "verified_email"]

_MAX_ADDRESS = 254  # characters (RFC 5321)


class Role(IntEnum):
    """Levels of permission; each includes those before it."""

    GUEST = 0
    """Uses live and file transcription; has no access to the test bench."""

    TESTER = 1
    """Adds recordings and flags, runs models, reads results; deletes their own."""

    REVIEWER = 2
    """Accepts, dismisses, changes and deletes what others added."""

    OPERATOR = 3
    """Sees the server's metrics and the audit log."""


@dataclass(frozen=True)
class Actor:
    """Person on whose behalf the store acts.

    Attributes:
        name: verified e-mail address; empty without sign-in. It marks what they add.
        role: their level of permission.
    """

    name: str
    role: Role

    @property
    def may_read(self) -> bool:
        """Permission to read cases, runs, results, flags and their audio."""
        return self.role >= Role.TESTER

    @property
    def may_add(self) -> bool:
        """Permission to add cases, noises, runs and flags."""
        return self.role >= Role.TESTER

    @property
    def may_review(self) -> bool:
        """Permission to change, accept and dismiss what anybody added."""
        return self.role >= Role.REVIEWER

    @property
    def may_audit(self) -> bool:
        """Permission to read who changed what."""
        return self.role >= Role.OPERATOR

    def may_delete(self, owner: str) -> bool:
        """Return whether what ``owner`` added may be deleted: one's own, or anything for reviewers.

        An empty ``owner`` is nobody's own.
        """
        return self.may_review or (self.may_add and bool(owner) and owner == self.name)


NOBODY = Actor("", Role.GUEST)


def verified_email(claims: Mapping[str, Any]) -> str | None:
    """Return the address that the identity provider has verified, in lower case, or None.

    Args:
        claims: of the ID token (OpenID Connect). ``email_verified`` must be True, or the
            text "true", which some providers send; any other value counts as not verified.
    """
    verified, email = claims.get("email_verified"), claims.get("email")
    if not (verified is True or verified == "true"):
        return None
    return email.lower() if isinstance(email, str) and _is_plain_address(email) else None


def _is_plain_address(text: str) -> bool:
    """Return whether ``text`` is a single address without look-alike characters.

    Full-width letters, the Kelvin sign and others become ASCII letters when they are normalised
    or lower-cased, and could so pass for somebody else's address.
    """
    local, _, domain = text.partition("@")
    return (
        0 < len(text) <= _MAX_ADDRESS
        and bool(local and domain)
        and text.count("@") == 1
        and unicodedata.normalize("NFKC", text) == text
        and not set(text) & set(',;:<>()[]\\"*?')
        # Categories C and Z: controls, surrogates, invisible characters and white space.
        and all(unicodedata.category(character)[0] not in "CZ" for character in text)
    )


def resolve_role(email: str | None, lists: Mapping[str, Sequence[str] | str]) -> Role:
    """Return the highest role whose list in ``lists`` has a pattern that matches ``email``.

    Args:
        email: as ``verified_email`` returns it.
        lists: addresses under ``testers``, ``reviewers`` and ``operators``; ``*`` matches any
            characters (``*@example.org``). Without lists everybody is a reviewer.
    """
    if not lists:
        return Role.REVIEWER
    if not email:
        return Role.GUEST
    fitting = (
        role
        for role in Role
        if any(
            fnmatchcase(email.lower(), unicodedata.normalize("NFKC", pattern).lower())
            for pattern in _patterns(lists.get(f"{role.name.lower()}s", ()))
        )
    )
    return max(fitting, default=Role.GUEST)


def _patterns(given: Sequence[str] | str) -> Sequence[str]:
    """Return the patterns; a single text is one pattern, not a list of its letters."""
    return [given] if isinstance(given, str) else [each for each in given if isinstance(each, str)]


def resolve_actor(claims: Mapping[str, Any], lists: Mapping[str, Sequence[str] | str]) -> Actor:
    """Return the actor for the claims of a sign-in (empty without one) and the lists of ``[roles]``."""
    email = verified_email(claims)
    return Actor(email or "", resolve_role(email, lists))
