"""Runs with real models: cancelled, killed and resumed, with the same results."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from asr_core.evaluation.cases import NewCase
from asr_core.evaluation.conditions import CLEAN, Condition
from asr_core.evaluation.experiment import run_plan
from asr_core.evaluation.results import summarise_by_condition
from asr_core.evaluation.runner import Runner, RunState, build_plan
from asr_core.evaluation.store import Run, Store
from asr_core.evaluation.trial import SystemConfig
from tests.support.evaluation import REVIEWER

SYSTEMS = (SystemConfig("tiny.en"), SystemConfig("tiny.en", mode="streaming"))
CONDITIONS = (CLEAN, Condition("babble", 5))

Eventually = Callable[..., None]


@pytest.fixture
def run(store: Store, failures: list[NewCase], tiny_en: Path) -> Run:
    ids = [store.add_case(new).id for new in failures[1:]]  # the two short ones
    return store.add_run("r", ids, CONDITIONS, SYSTEMS)


def _texts(store: Store, run: Run) -> list[tuple[str, str, str, str]]:
    return [(t.name, str(t.condition), t.system.title, t.text) for t in store.trials(run)]


_RUN = """
import sys
from pathlib import Path
from asr_core.evaluation.experiment import run_plan
from asr_core.evaluation.roles import Actor, Role
from asr_core.evaluation.runner import build_plan
from asr_core.evaluation.store import Store
store = Store(sys.argv[1], Path(sys.argv[2])).acting(Actor("", Role.REVIEWER))
run = store.run(sys.argv[3])
for trial in run_plan(build_plan(run, store), store.done(run.id)):
    store.add_trial(run, trial)
    print("one", flush=True)
"""


def test_a_run_that_was_killed_twice_ends_with_the_same_table(
    store: Store, run: Run, database_url: str, tmp_path: Path, eventually: Eventually
) -> None:
    whole = store.add_run("whole", run.case_ids, CONDITIONS, SYSTEMS)
    runner = Runner(store)
    runner.start(whole, REVIEWER)
    eventually(lambda: store.run(whole.id).n_done == whole.n_trials, 120)

    for n_trials in (2, 3):
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
    assert 5 <= n_done < run.n_trials
    runner.start(run, REVIEWER)
    eventually(lambda: runner.state(store.run(run.id)) is RunState.DONE, 120)

    assert _texts(store, run) == _texts(store, whole)
    tables = [
        {
            key: (row.words, row.counts, row.n_hallucinated)
            for key, row in summarise_by_condition(trials).items()
        }
        for trials in (store.trials(run), store.trials(whole))
    ]
    assert tables[0] == tables[1]
    assert len(tables[0]) == 4


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


def test_an_unavailable_model_is_reported(
    store: Store, failures: list[NewCase], eventually: Eventually
) -> None:
    case = store.add_case(failures[0])
    run = store.add_run("r", [case.id], [CLEAN], [SystemConfig("/no/such/model")])
    runner = Runner(store)
    runner.start(run, REVIEWER)
    eventually(lambda: runner.state(run) is RunState.FAILED, 30)
    assert "/no/such/model" in (runner.error(run.id) or "")


def test_a_condition_with_a_missing_asset_fails_alone(
    store: Store, failures: list[NewCase], tiny_en: Path
) -> None:
    case = store.add_case(failures[2])
    run = store.add_run("r", [case.id], [Condition("babble", 5), CLEAN], [SYSTEMS[0]])
    errors = {str(t.condition): t.result.error for t in run_plan(build_plan(run, store))}
    assert errors["clean"] is None
    assert "second one" in (errors["babble:5"] or "")


def test_streaming_reports_its_latency(
    store: Store, failures: list[NewCase], tiny_en: Path
) -> None:
    ids = [store.add_case(new).id for new in failures]
    trials = list(run_plan(build_plan(store.add_run("r", ids, [CLEAN], SYSTEMS), store)))
    streamed = [t for t in trials if t.system.mode == "streaming"]
    assert all(len(t.result.latencies) == len(t.result.words) for t in streamed)
    assert [t.score.words.errors < 4 for t in trials if t.name == "whole"] == [True, True]
