"""Runs in the background: started, watched, cancelled and resumed from any page.

One thread a store works through the runs that were started, in their order; it ends
with the last. What is done stands in the store, trial by trial: a run that was cut
off goes on where it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum

from asr_core.errors import AsrError, StoreError
from asr_core.metrics import count_error
from asr_core.roles import Actor, Role
from asr_core.testbench.store import Run, Store
from asr_core.testbench.trials import Plan, carry_out

__all__ = ["RunState", "Runner", "plan_of", "runner_of"]

logger = logging.getLogger(__name__)

_SERVER = Actor("", Role.REVIEWER)
"""Carries out what its owner asked for, and may no longer ask for."""


class RunState(Enum):
    """Where a run is."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"  # cancelled, or cut off; can be resumed
    DONE = "done"
    FAILED = "failed"


@dataclass
class _Work:
    """A run that was started in this process."""

    run_id: str
    cancel: threading.Event = field(default_factory=threading.Event)
    is_running: bool = False
    error: str | None = None


def plan_of(run: Run, store: Store) -> Plan:
    """The cases that are still there, with their audio from ``store``.

    Raises:
        StoreError: the store cannot be read.
    """
    by_id = {case.id: case for case in store.cases()}
    cases = [by_id[case_id] for case_id in run.case_ids if case_id in by_id]
    wanted = {condition.noise for condition in run.conditions if condition.noise}
    noises = {n.name: store.samples(n.id) for n in store.noises() if n.name in wanted}
    return Plan(
        cases, run.conditions, run.setups, lambda case: store.samples(case.id), noises, run.seed
    )


def _check(run: Run, actor: Actor) -> None:
    if not actor.may_delete(run.owner):
        raise StoreError(
            "This run was asked for by somebody else: only they and reviewers may start or "
            "cancel it."
        )


class Runner:
    """Any thread may call."""

    def __init__(self, store: Store) -> None:
        self._store = store.acting(_SERVER)
        self._lock = threading.Lock()  # guards the two below
        self._works: dict[str, _Work] = {}
        self._thread: threading.Thread | None = None

    def start(self, run: Run, actor: Actor) -> None:
        """Begin or resume ``run``, after those that were started before.

        Raises:
            StoreError: it is not ``actor``'s to start.
        """
        _check(run, actor)
        with self._lock:
            self._works.pop(run.id, None)
            self._works[run.id] = _Work(run.id)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="asr-runs", daemon=True)
                self._thread.start()

    def cancel(self, run: Run, actor: Actor) -> None:
        """Stop it after the trials that are being heard; nothing done is lost.

        Raises:
            StoreError: it is not ``actor``'s to stop.
        """
        _check(run, actor)
        with self._lock:
            work = self._works.get(run.id)
            if work is not None:
                work.cancel.set()

    def state(self, run: Run) -> RunState:
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
        """A sentence, if the run could not go on."""
        work = self._works.get(run_id)
        return work.error if work is not None else None

    def _work(self) -> None:
        while True:
            with self._lock:
                work = next(
                    (w for w in self._works.values() if not w.cancel.is_set() and w.error is None),
                    None,
                )
                if work is None:
                    self._thread = None
                    return
                work.is_running = True
            self._carry_out(work)
            with self._lock:
                work.is_running = False
                if work.error is None and self._works.get(work.run_id) is work:
                    del self._works[work.run_id]

    def _carry_out(self, work: _Work) -> None:
        try:
            run = self._store.run(work.run_id)
            if run is None:
                return
            plan = plan_of(run, self._store)
            for trial in carry_out(plan, self._store.done(run.id), work.cancel.is_set):
                self._store.add_trial(run, trial)
        except AsrError as error:
            count_error("run", error)
            work.error = str(error)
        except Exception as error:
            count_error("run", error)
            logger.exception("A run of the test bench failed")
            work.error = "The run stopped at an error; the log of the server says which."


_making = threading.Lock()
_runners: dict[Hashable, Runner] = {}


def runner_of(store: Store) -> Runner:
    """The one runner of ``store`` in this process. Any thread may call."""
    with _making:
        return _runners.setdefault(store.shared, Runner(store))
