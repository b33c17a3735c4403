from __future__ import annotations

import pytest

from asr_core.roles import Role, role_of

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
def test_the_highest_list_decides(email: str | None, role: Role) -> None:
    assert role_of(email, LISTS) is role


def test_without_lists_everybody_reviews_and_nobody_operates() -> None:
    assert role_of(None, {}) is Role.REVIEWER
