"""Who may do what at the test bench, which all users of an app share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from fnmatch import fnmatchcase

__all__ = ["Role", "role_of"]


class Role(IntEnum):
    """Each may do what those before it may."""

    GUEST = 0
    """Speaks and uploads; sees no test bench."""

    TESTER = 1
    """Adds recordings, runs models, reads results, flags."""

    REVIEWER = 2
    """Accepts, dismisses and deletes what others added."""

    OPERATOR = 3
    """Sees how the server does."""


def role_of(email: str | None, lists: Mapping[str, Sequence[str]]) -> Role:
    """The highest role whose list in ``lists`` has a pattern for ``email``.

    Args:
        email: as the identity provider verified it; None for the unknown.
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
            fnmatchcase(email.lower(), pattern.lower())
            for pattern in lists.get(f"{role.name.lower()}s", ())
        )
    )
    return max(fitting, default=Role.GUEST)
