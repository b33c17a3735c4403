"""Background execution of runs: started, watched, cancelled and resumed from any page.

One thread per store works through the queued runs in order and ends after the last. Every
finished trial is in the store, so that an interrupted run resumes where it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum

from asr_core.errors import AsrError, StoreError
from asr_core.evaluation.experiment import Plan, run_plan
from asr_core.evaluation.roles import Actor, Role
from asr_core.evaluation.store import Run, Store
from asr_core.ops.background import BackgroundWorker
from asr_core.ops.metrics import count_error

__all__ = ["RunState", "Runner", "build_plan", "get_runner"]

logger = logging.getLogger(__name__)

_SERVER = Actor("", Role.REVIEWER)
"""Executes runs whose owners may have lost the permission since they started them."""


class RunState(Enum):
    """State of a run."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"  # cancelled or interrupted; can be resumed
    DONE = "done"
    FAILED = "failed"


@dataclass
class _QueuedRun:
    """Run that was started in this process."""

    run_id: str
    cancel: threading.Event = field(default_factory=threading.Event)
    is_running: bool = False
    error: str | None = None


def build_plan(run: Run, store: Store) -> Plan:
    """Return the plan of ``run``: the cases that still exist, with their audio from ``store``.

    Raises:
        StoreError: the store cannot be read.
    """
    by_id = {case.id: case for case in store.cases()}
    cases = [by_id[case_id] for case_id in run.case_ids if case_id in by_id]
    wanted = {condition.noise for condition in run.conditions if condition.noise}
    noises = {n.name: store.samples(n.id) for n in store.noises() if n.name in wanted}
    return Plan(
        cases, run.conditions, run.systems, lambda case: store.samples(case.id), noises, run.seed
    )


def _check(run: Run, actor: Actor) -> None:
    if not actor.may_delete(run.owner):
        raise StoreError(
            "This run was asked for by somebody else: only they and reviewers may start or "
            "cancel it."
        )


class Runner:
    """Queue of runs of a store, safe to use from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store.acting(_SERVER)
        self._lock = threading.Lock()  # guards _works
        self._works: dict[str, _QueuedRun] = {}
        self._worker = BackgroundWorker("asr-runs", self._lock, self._next, self._work)

    def start(self, run: Run, actor: Actor) -> None:
        """Queue ``run``, new or resumed, after those that were started before.

        Raises:
            StoreError: ``actor`` may not start it.
        """
        _check(run, actor)
        with self._lock:
            self._works.pop(run.id, None)
            self._works[run.id] = _QueuedRun(run.id)
            self._worker.wake()

    def cancel(self, run: Run, actor: Actor) -> None:
        """Stop ``run`` after the trials in progress; finished trials are kept.

        Raises:
            StoreError: ``actor`` may not stop it.
        """
        _check(run, actor)
        with self._lock:
            work = self._works.get(run.id)
            if work is not None:
                work.cancel.set()

    def state(self, run: Run) -> RunState:
        """Return the state of ``run``."""
        work = self._works.get(run.id)
        if work is not None and not work.cancel.is_set() and work.error is None:
            if work.is_running:
                return RunState.RUNNING
            if run.n_done < run.n_trials:
                return RunState.WAITING
        if run.n_done >= run.n_trials:
            return RunState.DONE
        return RunState.FAILED if work is not None and work.error else RunState.PAUSED

    def error(self, run_id: str) -> str | None:
        """Return a sentence if the run failed, else None."""
        work = self._works.get(run_id)
        return work.error if work is not None else None

    def _next(self) -> _QueuedRun | None:
        works = self._works.values()
        work = next((w for w in works if not w.cancel.is_set() and w.error is None), None)
        if work is not None:
            work.is_running = True
        return work

    def _work(self, work: _QueuedRun) -> None:
        self._execute(work)
        with self._lock:
            work.is_running = False
            if work.error is None and self._works.get(work.run_id) is work:
                del self._works[work.run_id]

    def _execute(self, work: _QueuedRun) -> None:
        try:
            run = self._store.run(work.run_id)
            if run is None:
                return
            plan = build_plan(run, self._store)
            for trial in run_plan(plan, self._store.done(run.id), work.cancel.is_set):
                self._store.add_trial(run, trial)
        except AsrError as error:
            count_error("run", error)
            work.error = str(error)
        except Exception as error:
            count_error("run", error)
            logger.exception("A run of the test bench failed")
            work.error = "The run stopped at an error; the log of the server says which."


_registry_lock = threading.Lock()
_runners: dict[Hashable, Runner] = {}


def get_runner(store: Store) -> Runner:
    """Return the runner of ``store`` in this process; any thread may call."""
    with _registry_lock:
        return _runners.setdefault(store.shared, Runner(store))
