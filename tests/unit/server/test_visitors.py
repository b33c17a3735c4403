from __future__ import annotations

import time
from dataclasses import replace

import pytest

from asr_core.server.visitors import Visitor, VisitorCookies, is_invitation


def test_only_our_own_cookies_are_accepted() -> None:
    cookies = VisitorCookies()
    visitor = Visitor.new()
    value = cookies.write(visitor)
    assert cookies.read(value) == replace(visitor, needs_cookie=False)
    for other in (None, "", "x", value[:-1], value.replace(value[3], "~"), "a.b.c", value * 50):
        assert cookies.read(other) is None
    assert VisitorCookies().read(value) is None  # signed by another process


def test_an_old_cookie_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    cookies = VisitorCookies()
    value = cookies.write(Visitor.new())
    now = time.time()
    for days, needs_cookie in ((10, False), (20, True)):
        monkeypatch.setattr(time, "time", lambda days=days: now + days * 86_400)
        visitor = cookies.read(value)
        assert visitor is not None and visitor.needs_cookie is needs_cookie
    monkeypatch.setattr(time, "time", lambda: now + 31 * 86_400)
    assert cookies.read(value) is None


def test_an_invitation_outlives_a_restart_and_ends_when_it_changes() -> None:
    invited = Visitor("somebody", is_invited=True)
    value = VisitorCookies("north-wind").write(invited)
    assert VisitorCookies("north-wind").read(value) == replace(invited, needs_cookie=False)
    assert VisitorCookies("south-wind").read(value) is None
    assert VisitorCookies().read(value) is None


def test_a_strangers_cookie_has_no_trace_of_the_invitation() -> None:
    stranger = Visitor.new()
    value = VisitorCookies("north-wind").write(stranger)
    assert (
        VisitorCookies("north-wind").read(value) is None
    )  # its key does not depend on the invitation


def test_nobody_is_invited_without_an_invitation() -> None:
    assert not is_invitation("", "")
    assert not is_invitation("north", "north-wind")
    assert is_invitation("nörth-wind", "nörth-wind")
    with pytest.raises(ValueError, match="invitation"):
        VisitorCookies().write(Visitor("x", is_invited=True))
