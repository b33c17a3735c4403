"""Roles, permissions and identities."""

from __future__ import annotations

import sys
import unicodedata
from typing import Any

import pytest

from asr_core.evaluation.roles import (
    NOBODY,
    Actor,
    Role,
    resolve_actor,
    resolve_role,
    verified_email,
)

LISTS = {
    "testers": ["*@lab.example"],
    "reviewers": ["chief@lab.example", "*@review.example"],
    "operators": ["root@lab.example"],
}


@pytest.mark.parametrize(
    ("email", "role"),
    [
        (None, Role.GUEST),
        ("", Role.GUEST),
        ("somebody@else.example", Role.GUEST),
        ("chief@lab.example.evil.example", Role.GUEST),
        ("intern@lab.example", Role.TESTER),
        ("Chief@Lab.Example", Role.REVIEWER),
        ("anyone@review.example", Role.REVIEWER),
        ("root@lab.example", Role.OPERATOR),
    ],
)
def test_the_highest_role_decides(email: str | None, role: Role) -> None:
    assert resolve_role(email, LISTS) is role


def test_without_lists_everybody_reviews_and_nobody_operates() -> None:
    assert resolve_role(None, {}) is Role.REVIEWER


def test_a_single_string_is_one_pattern() -> None:
    lists = {"operators": "*@lab.example"}
    assert resolve_role("root@lab.example", lists) is Role.OPERATOR
    assert resolve_role("somebody@else.example", lists) is Role.GUEST
    assert resolve_role("root@lab.example", {"operators": [7, "root@*"]}) is Role.OPERATOR


@pytest.mark.parametrize("verified", [True, "true"])
def test_a_verified_address_counts_in_lower_case(verified: Any) -> None:
    claims = {"email": "Root@Lab.Example", "email_verified": verified}
    assert verified_email(claims) == "root@lab.example"
    assert resolve_actor(claims, LISTS) == Actor("root@lab.example", Role.OPERATOR)


@pytest.mark.parametrize(
    "verified", [None, False, 0, "0", "false", "", 1, "1", "yes", "True ", [True], {}]
)
def test_any_other_value_is_not_verified(verified: Any) -> None:
    claims = {"email": "root@lab.example", "email_verified": verified}
    assert verified_email(claims) is None
    assert resolve_actor(claims, LISTS) == NOBODY
    assert verified_email({"email": "root@lab.example"}) is None


@pytest.mark.parametrize(
    "email",
    [
        None,
        7,
        ["root@lab.example"],
        "",
        "root",
        "@lab.example",
        "root@",
        "x@evil.example,root@lab.example",
        "x@evil.example\n@lab.example",
        "evil\n@lab.example",
        "root@lab.example\x00",
        "root@lab.example ",
        "a\u00a0b@lab.example",
        "a\u200bb@lab.example",
        "a\u202eb@lab.example",
        "\ud800@lab.example",
        "<root@lab.example>",
        "*@lab.example",
        "\uff52oot@lab.example",  # a full-width r
        "a" * 243 + "@lab.example",
    ],
)
def test_an_unusual_address_has_no_role(email: Any) -> None:
    assert verified_email({"email": email, "email_verified": True}) is None


def test_no_look_alike_letter_passes_for_another() -> None:
    """The lower case of the Kelvin sign is k; there are others like it."""
    for code in range(128, sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in ("Cs", "Cn", "Co"):  # no letters
            continue
        email = verified_email({"email": f"{chr(code)}@lab.example", "email_verified": True})
        assert email is None or not email.isascii()


def test_everybody_may_delete_their_own_and_reviewers_everything() -> None:
    tester = Actor("a@lab.example", Role.TESTER)
    assert tester.may_delete("a@lab.example")
    assert not tester.may_delete("b@lab.example")
    assert not tester.may_delete("")
    assert not Actor("", Role.TESTER).may_delete("")
    assert not Actor("a@lab.example", Role.GUEST).may_delete("a@lab.example")
    assert Actor("", Role.REVIEWER).may_delete("a@lab.example")
