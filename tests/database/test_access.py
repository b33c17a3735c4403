"""The store enforces permissions, whoever calls it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from asr_core.errors import StoreError
from asr_core.evaluation.cases import Case, NewCase
from asr_core.evaluation.conditions import CLEAN
from asr_core.evaluation.roles import NOBODY, Actor, Role
from asr_core.evaluation.runner import Runner
from asr_core.evaluation.store import Flag, Noise, Run, Store
from asr_core.evaluation.trial import SystemConfig, Trial, TrialResult

ANNE, BERT = (Actor(f"{name}@lab.example", Role.TESTER) for name in ("anne", "bert"))
CHIEF = Actor("chief@lab.example", Role.REVIEWER)
ROOT = Actor("root@lab.example", Role.OPERATOR)
FLAG = Flag("noise", "fell", "Fail.", "talk.wav", "base", "en", 3.0, 4.5)


@dataclass(frozen=True)
class Things:
    """Content that Anne added."""

    case: Case
    noise: Noise
    run: Run
    flag: Flag
    trial: Trial
    new: NewCase


@pytest.fixture
def things(store: Store, failures: list[NewCase]) -> Things:
    hers = store.acting(ANNE)
    case = hers.add_case(failures[2])
    run = hers.add_run("r", [case.id], [CLEAN], [SystemConfig("tiny.en")])
    trial = Trial(case.id, "n", "Fail", "en", CLEAN, SystemConfig("tiny.en"), TrialResult())
    hers.add_trial(run, trial)
    noise = hers.add_noise("street", failures[2].samples)
    return Things(case, noise, run, hers.add_flag(FLAG, failures[2].samples), trial, failures[1])


Call = Callable[[Store, Things], object]

READING: dict[str, Call] = {
    "used_mb": lambda store, _: store.used_mb(),
    "cases": lambda store, _: store.cases(),
    "flac": lambda store, things: store.flac(things.case.id),
    "samples": lambda store, things: store.samples(things.case.id),
    "noises": lambda store, _: store.noises(),
    "runs": lambda store, _: store.runs(),
    "run": lambda store, things: store.run(things.run.id),
    "done": lambda store, things: store.done(things.run.id),
    "trials": lambda store, things: store.trials(things.run),
    "flags": lambda store, _: store.flags(),
}
ADDING: dict[str, Call] = {
    "add_case": lambda store, things: store.add_case(things.new),
    "add_noise": lambda store, things: store.add_noise("rain", things.new.samples),
    "add_run": lambda store, _: store.add_run("x", [], [CLEAN], [SystemConfig("base")]),
    "add_flag": lambda store, _: store.add_flag(FLAG),
}
DELETING: dict[str, Call] = {
    "delete_cases": lambda store, things: store.delete_cases([things.case.id]),
    "delete_noise": lambda store, things: store.delete_noise(things.noise.id),
    "delete_run": lambda store, things: store.delete_run(things.run.id),
    "delete_flag": lambda store, things: store.delete_flag(things.flag.id),
    "add_trial": lambda store, things: store.add_trial(things.run, things.trial),
}
REVIEWING: dict[str, Call] = {
    "change_case": lambda store, things: store.change_case(things.case.id, "n", "s", "en", {}),
    "dismiss_flag": lambda store, things: store.dismiss_flag(things.flag.id),
    "accept_flag": lambda store, things: store.accept_flag(things.flag, "Fail better.", {}),
}
AUDITING: dict[str, Call] = {"audit": lambda store, _: store.audit()}
ALL = READING | ADDING | DELETING | REVIEWING | AUDITING


def _contents(store: Store) -> object:
    return store.cases(), store.noises(), store.runs(), store.flags(), store.used_mb()


def test_every_method_of_the_store_is_in_these_tables() -> None:
    free = {"acting", "actor", "shared", "close", "max_mb"}
    assert {name for name in dir(Store) if not name.startswith("_")} - free == set(ALL)


def _refused(store: Store, things: Things, actor: Actor, call: Call) -> None:
    before = _contents(store)
    with pytest.raises(StoreError, match=r"[Oo]nly"):
        call(store.acting(actor), things)
    assert _contents(store) == before


@pytest.mark.parametrize("call", ALL.values(), ids=ALL)
@pytest.mark.parametrize("actor", [NOBODY, Actor("anne@lab.example", Role.GUEST)])
def test_a_guest_reads_and_changes_nothing(
    store: Store, things: Things, actor: Actor, call: Call
) -> None:
    """Not even their own content, from when they were a tester."""
    _refused(store, things, actor, call)


def test_a_newly_opened_store_has_no_actor(database_url: str, tmp_path: object) -> None:
    opened = Store(database_url, tmp_path / "audio")  # type: ignore[operator]
    with pytest.raises(StoreError, match="Only testers"):
        opened.cases()
    opened.close()


@pytest.mark.parametrize("call", (READING | ADDING).values(), ids=READING | ADDING)
def test_a_tester_reads_and_adds(store: Store, things: Things, call: Call) -> None:
    call(store.acting(BERT), things)


@pytest.mark.parametrize("call", DELETING.values(), ids=DELETING)
def test_a_tester_deletes_only_their_own(store: Store, things: Things, call: Call) -> None:
    _refused(store, things, BERT, call)
    call(store.acting(ANNE), things)


@pytest.mark.parametrize("call", REVIEWING.values(), ids=REVIEWING)
def test_only_reviewers_change(store: Store, things: Things, call: Call) -> None:
    _refused(store, things, ANNE, call)
    call(store.acting(CHIEF), things)


@pytest.mark.parametrize("call", DELETING.values(), ids=DELETING)
def test_reviewers_delete_everything(store: Store, things: Things, call: Call) -> None:
    call(store.acting(CHIEF), things)


def test_one_recording_of_another_keeps_all_from_being_deleted(
    store: Store, things: Things, failures: list[NewCase]
) -> None:
    mine = store.acting(BERT).add_case(failures[0])
    both = lambda store, things: store.delete_cases([mine.id, things.case.id])  # noqa: E731
    _refused(store, things, BERT, both)


def test_only_reviewers_delete_a_recording_used_in_anothers_run(
    store: Store, things: Things
) -> None:
    """Deleting it would delete the other's results."""
    store.acting(BERT).add_run("his", [things.case.id], [CLEAN], [SystemConfig("base")])
    _refused(store, things, ANNE, DELETING["delete_cases"])
    store.acting(CHIEF).delete_cases([things.case.id])


def test_only_reviewers_delete_what_has_no_owner(store: Store, failures: list[NewCase]) -> None:
    case = store.acting(Actor("", Role.REVIEWER)).add_case(failures[0])
    for actor in (ANNE, Actor("", Role.TESTER)):
        with pytest.raises(StoreError, match="somebody else"):
            store.acting(actor).delete_cases([case.id])


def test_an_accepted_flag_keeps_its_owner(store: Store, things: Things) -> None:
    case = store.acting(CHIEF).accept_flag(things.flag, "Fail better.", {})
    assert case.owner == ANNE.name
    store.acting(ANNE).delete_cases([case.id])


def test_nobody_can_flag_under_another_name(store: Store) -> None:
    made = store.acting(BERT).add_flag(replace(FLAG, owner=ANNE.name, state="accepted", id="x"))
    assert (made.owner, made.state) == (BERT.name, "open")
    assert store.flags()[0].owner == BERT.name


def test_a_run_is_started_and_cancelled_by_its_owner(store: Store, things: Things) -> None:
    runner = Runner(store)
    for actor in (NOBODY, BERT):
        for change in (runner.start, runner.cancel):
            with pytest.raises(StoreError, match="somebody else"):
                change(things.run, actor)
    runner.cancel(things.run, ANNE)
    runner.cancel(things.run, CHIEF)


def test_changes_are_audited_for_operators(
    store: Store, things: Things, failures: list[NewCase], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "asr_core.evaluation")
    store.acting(CHIEF).change_case(things.case.id, "SECRET", "SECRET", "en", {})
    with pytest.raises(StoreError):
        store.acting(BERT).delete_run(things.run.id)
    store.acting(ANNE).delete_run(things.run.id)
    store.acting(ANNE).delete_run(things.run.id)  # already deleted: nothing happens
    other = store.acting(BERT).add_case(failures[0])
    store.acting(CHIEF).delete_cases([things.case.id, other.id])
    lines = store.acting(ROOT).audit()
    assert [(line.who, line.role, line.what, line.n) for line in lines] == [
        (CHIEF.name, "reviewer", "delete cases", 2),
        (ANNE.name, "tester", "delete run", 1),
        (CHIEF.name, "reviewer", "change case", 1),
    ]
    assert lines[1].ids == (things.run.id,)
    assert store.acting(ROOT).audit(1) == lines[:1]
    assert lines[0].at.tzinfo is not None
    messages = [record.getMessage() for record in caplog.records]
    assert any(f"{ANNE.name} (tester): delete run, 1" in line for line in messages)
    assert any(line.startswith(f"Refused {BERT.name}") for line in messages)
    assert not any("SECRET" in line for line in messages)
