"""Who may do what at the test bench, which all users of an app share.

The rules stand here, as pure functions of claims and lists; the store asks them before it
does anything, and pages ask the same ones to hide what would be refused.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["NOBODY", "Actor", "Role", "actor_of", "role_of", "verified_email"]

_MOST_CHARACTERS = 254  # of an address (RFC 5321)


class Role(IntEnum):
    """Each may do what those before it may."""

    GUEST = 0
    """Speaks and uploads; sees no test bench."""

    TESTER = 1
    """Adds recordings, runs models, reads results, flags; deletes what is their own."""

    REVIEWER = 2
    """Accepts, dismisses, changes and deletes what others added."""

    OPERATOR = 3
    """Sees how the server does, and who changed what."""


@dataclass(frozen=True)
class Actor:
    """Who acts.

    Attributes:
        name: verified address; empty for who did not sign in. It marks what they add.
    """

    name: str
    role: Role

    @property
    def may_read(self) -> bool:
        """Cases, runs, results, flags and their audio."""
        return self.role >= Role.TESTER

    @property
    def may_add(self) -> bool:
        """Cases, noises, runs and flags."""
        return self.role >= Role.TESTER

    @property
    def may_review(self) -> bool:
        """Change, accept and dismiss what anybody added."""
        return self.role >= Role.REVIEWER

    @property
    def may_audit(self) -> bool:
        """Read who changed what."""
        return self.role >= Role.OPERATOR

    def may_delete(self, owner: str) -> bool:
        """What ``owner`` added: everybody their own, reviewers everything.

        What an empty ``owner`` added belongs to nobody.
        """
        return self.may_review or (self.may_add and bool(owner) and owner == self.name)


NOBODY = Actor("", Role.GUEST)


def verified_email(claims: Mapping[str, Any]) -> str | None:
    """Return the address that the identity provider vouches for, in lower case, or None.

    Args:
        claims: of the ID token (OpenID Connect). ``email_verified`` must be True, or the
            text "true", which some providers send; whatever else is not verified.
    """
    verified, email = claims.get("email_verified"), claims.get("email")
    if not (verified is True or verified == "true"):
        return None
    return email.lower() if isinstance(email, str) and _is_plain_address(email) else None


def _is_plain_address(text: str) -> bool:
    """Return whether it is one address, in characters that pass for no others.

    Look-alikes such as full-width letters and the Kelvin sign become ASCII letters when they
    are normalised or lowered, and would so pass for somebody else's address.
    """
    local, _, domain = text.partition("@")
    return (
        0 < len(text) <= _MOST_CHARACTERS
        and bool(local and domain)
        and text.count("@") == 1
        and unicodedata.normalize("NFKC", text) == text
        and not set(text) & set(',;:<>()[]\\"*?')
        # Controls, surrogates and invisible characters; blanks and line ends of all kinds.
        and all(unicodedata.category(character)[0] not in "CZ" for character in text)
    )


def role_of(email: str | None, lists: Mapping[str, Sequence[str] | str]) -> Role:
    """Return the highest role whose list in ``lists`` has a pattern for ``email``.

    Args:
        email: as ``verified_email`` gave it; None for the unknown.
        lists: under ``testers``, ``reviewers`` and ``operators`` addresses, in which
            ``*`` stands for any characters (``*@example.org``). Without any list
            everybody may do everything but see how the server does.
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
    """A single text is one pattern, not a list of its letters: one of them may be ``*``."""
    return [given] if isinstance(given, str) else [each for each in given if isinstance(each, str)]


def actor_of(claims: Mapping[str, Any], lists: Mapping[str, Sequence[str] | str]) -> Actor:
    """Return who acts, from the claims of a sign-in (empty without one) and ``[roles]``."""
    email = verified_email(claims)
    return Actor(email or "", role_of(email, lists))
