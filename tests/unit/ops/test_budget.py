from __future__ import annotations

import gc
import threading

import pytest

from asr_core.errors import LimitError, SettingsError
from asr_core.ops.budget import Budget, Quota, Resource, read_quotas

UPLOADS = Resource.UPLOADS


def budget_of(total: float, each: float) -> Budget:
    return Budget({UPLOADS: Quota(total, each, "No room: {what} too much.")})


def test_one_user_cannot_take_the_whole_budget() -> None:
    budget = budget_of(total=10, each=6)
    held = budget.reserve(UPLOADS, 6, "one")
    with pytest.raises(LimitError, match="you have too much"):
        budget.reserve(UPLOADS, 1, "one")
    other = budget.reserve(UPLOADS, 4, "other")
    with pytest.raises(LimitError, match="this server has too much"):
        budget.reserve(UPLOADS, 1, "third")
    held.release()
    budget.reserve(UPLOADS, 1, "third")
    assert budget.used(UPLOADS, "other") == other.amount == 4


def test_invented_users_of_one_address_cannot_take_the_whole_budget() -> None:
    budget = budget_of(total=100, each=10)
    held = [budget.reserve(UPLOADS, 10, user, "their address") for user in range(7)]
    with pytest.raises(LimitError, match="this server has"):
        budget.reserve(UPLOADS, 10, "one more", "their address")
    held.append(budget.reserve(UPLOADS, 10, "somebody", "another address"))


def test_a_refused_reservation_changes_nothing() -> None:
    budget = budget_of(total=10, each=10)
    held = budget.reserve(UPLOADS, 8, "one")
    with pytest.raises(LimitError):
        held.grow(3)
    held.grow(2)
    assert budget.used(UPLOADS, "one") == held.amount == 10
    held.release()
    held.release()
    assert budget.used(UPLOADS, "one") == 0
    assert budget.usage()[0].n_owners == 0


def test_a_reservation_shrinks() -> None:
    budget = budget_of(total=10, each=10)
    held = budget.reserve(UPLOADS, 6, "one")
    held.shrink(4)
    assert budget.used(UPLOADS, "one") == held.amount == 2
    held.release()
    held.shrink(2)
    assert budget.used(UPLOADS, "one") == 0


def test_who_waits_in_turn_gets_room_or_gives_up() -> None:
    budget, cancel = budget_of(total=1, each=1), threading.Event()
    held = budget.reserve(UPLOADS, 1, "one")
    threading.Timer(0.05, held.release).start()
    turn = budget.reserve_in_turn(UPLOADS, 1, "other", None, cancel)
    assert turn is not None
    threading.Timer(0.05, cancel.set).start()
    assert budget.reserve_in_turn(UPLOADS, 1, "third", None, cancel) is None


def test_a_dropped_reservation_is_released() -> None:
    budget = budget_of(total=10, each=10)
    held = budget.reserve(UPLOADS, 10, "one")
    del held
    gc.collect()
    with budget.reserve(UPLOADS, 10, "other"):
        assert budget.used(UPLOADS, "other") == 10
    assert budget.used(UPLOADS, "other") == 0


def test_nothing_is_lost_between_threads() -> None:
    budget = budget_of(total=1e9, each=1e9)

    def take_and_give() -> None:
        for _ in range(500):
            budget.reserve(UPLOADS, 1, "one").release()

    threads = [threading.Thread(target=take_and_give) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.used(UPLOADS, "one") == 0


def test_allowances_come_from_the_settings_or_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_MAX_UPLOADS_MB", "3")
    allowed = read_quotas()
    assert allowed[UPLOADS].total == 3e6
    assert all(0 < a.each <= a.total for a in allowed.values())
    monkeypatch.setenv("ASR_MAX_CONNECTIONS", "many")
    with pytest.raises(SettingsError, match="ASR_MAX_CONNECTIONS"):
        read_quotas()
