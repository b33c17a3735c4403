"""Runs with real models: cancelled, killed and resumed, with the same results."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from asr_core.testbench.cases import NewCase
from asr_core.testbench.conditions import CLEAN, Condition
from asr_core.testbench.results import by_condition
from asr_core.testbench.runner import Runner, RunState, plan_of
from asr_core.testbench.store import Run, Store
from asr_core.testbench.trial import Setup
from asr_core.testbench.trials import carry_out
from tests.testbench.conftest import REVIEWER

SETUPS = (Setup("tiny.en"), Setup("tiny.en", mode="streaming"))
CONDITIONS = (CLEAN, Condition("babble", 5), Condition("loss", 10))

Eventually = Callable[..., None]


@pytest.fixture
def run(store: Store, failures: list[NewCase], tiny_en: Path) -> Run:
    ids = [store.add_case(new).id for new in failures]
    return store.add_run("r", ids, CONDITIONS, SETUPS)


def _texts(store: Store, run: Run) -> list[tuple[str, str, str, str]]:
    return [(t.name, str(t.condition), t.setup.title, t.text) for t in store.trials(run)]


_RUN = """
import sys
from pathlib import Path
from asr_core.roles import Actor, Role
from asr_core.testbench.runner import plan_of
from asr_core.testbench.store import Store
from asr_core.testbench.trials import carry_out
store = Store(sys.argv[1], Path(sys.argv[2])).acting(Actor("", Role.REVIEWER))
run = store.run(sys.argv[3])
for trial in carry_out(plan_of(run, store), store.done(run.id)):
    store.add_trial(run, trial)
    print("one", flush=True)
"""


def test_a_run_that_was_killed_twice_ends_with_the_same_table(
    store: Store, run: Run, database_url: str, tmp_path: Path, eventually: Eventually
) -> None:
    whole = store.add_run("whole", run.case_ids, CONDITIONS, SETUPS)
    runner = Runner(store)
    runner.start(whole, REVIEWER)
    eventually(lambda: store.run(whole.id).n_done == whole.n_trials, 120)

    for n_trials in (3, 4):
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, database_url, tmp_path / "audio", run.id],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        for _ in range(n_trials):
            assert process.stdout.readline() == b"one\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    n_done = store.run(run.id).n_done
    assert 7 <= n_done < run.n_trials
    runner.start(run, REVIEWER)
    eventually(lambda: runner.state(store.run(run.id)) is RunState.DONE, 120)

    assert _texts(store, run) == _texts(store, whole)
    tables = [
        {key: (row.words, row.counts, row.n_invented) for key, row in by_condition(trials).items()}
        for trials in (store.trials(run), store.trials(whole))
    ]
    assert tables[0] == tables[1]
    assert len(tables[0]) == 6


def test_a_run_is_cancelled_and_its_thread_ends(
    store: Store, run: Run, eventually: Eventually
) -> None:
    runner = Runner(store)
    runner.start(run, REVIEWER)
    eventually(lambda: store.run(run.id).n_done >= 2, 60)
    assert runner.state(store.run(run.id)) is RunState.RUNNING
    runner.cancel(run, REVIEWER)
    names = ("asr-runs", "asr-trials")
    eventually(lambda: not any(t.name.startswith(names) for t in threading.enumerate()), 60)
    left = store.run(run.id)
    assert left.n_done < left.n_trials
    assert runner.state(left) is RunState.PAUSED


def test_a_model_that_cannot_be_had_is_said(
    store: Store, failures: list[NewCase], eventually: Eventually
) -> None:
    case = store.add_case(failures[0])
    run = store.add_run("r", [case.id], [CLEAN], [Setup("/no/such/model")])
    runner = Runner(store)
    runner.start(run, REVIEWER)
    eventually(lambda: runner.state(run) is RunState.FAILED, 30)
    assert "/no/such/model" in (runner.error(run.id) or "")


def test_a_condition_that_lacks_something_fails_alone(
    store: Store, failures: list[NewCase], tiny_en: Path
) -> None:
    case = store.add_case(failures[2])
    run = store.add_run("r", [case.id], [Condition("babble", 5), CLEAN], [SETUPS[0]])
    errors = {str(t.condition): t.heard.error for t in carry_out(plan_of(run, store))}
    assert errors["clean"] is None
    assert "second one" in (errors["babble:5"] or "")


def test_streaming_tells_its_latency(store: Store, failures: list[NewCase], tiny_en: Path) -> None:
    ids = [store.add_case(new).id for new in failures]
    trials = list(carry_out(plan_of(store.add_run("r", ids, [CLEAN], SETUPS), store)))
    streamed = [t for t in trials if t.setup.mode == "streaming"]
    assert all(len(t.heard.latencies) == len(t.heard.words) for t in streamed)
    assert [t.score.words.errors < 4 for t in trials if t.name == "whole"] == [True, True]
