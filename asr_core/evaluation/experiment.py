"""Execution of an experiment: cases × conditions × systems as a stream of trials.

This module knows neither stores nor pages; the caller keeps the trials.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from asr_core.engines import Engine, load_engine
from asr_core.engines.base import Hypothesis, Window
from asr_core.errors import AsrError, EngineError
from asr_core.evaluation.cases import Case
from asr_core.evaluation.conditions import Condition, ConditionAssets, apply_condition
from asr_core.evaluation.trial import SystemConfig, Trial, TrialResult, run_trial
from asr_core.languages import LANGUAGES
from asr_core.models import resolve

__all__ = ["Plan", "run_plan"]

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """Cases, conditions and systems of an experiment.

    Attributes:
        samples: returns the (n_samples,) float32 audio of a case; called from any thread.
        noises: the user's own, by name.
        seed: the same seed gives the same audio.
    """

    cases: Sequence[Case]
    conditions: Sequence[Condition]
    systems: Sequence[SystemConfig]
    samples: Callable[[Case], Samples]
    noises: Mapping[str, Samples] = field(default_factory=dict)
    seed: str = "1"

    def audio(self, case: Case, condition: Condition) -> Samples:
        """Return the (n_samples,) audio of ``case`` under ``condition``.

        Raises:
            ConditionError: the condition needs voices or a noise that is missing.
        """
        voices = _OtherCases(sorted((c for c in self.cases if c.id != case.id), key=_digest), self)
        assets = ConditionAssets(voices, self.noises)
        return apply_condition(self.samples(case), condition, f"{self.seed}/{case.digest}", assets)


def _digest(case: Case) -> tuple[str, str]:
    return case.digest, case.id


class _OtherCases(Sequence[Samples]):
    """Lazy sequence of the audio of other cases."""

    def __init__(self, cases: Sequence[Case], plan: Plan) -> None:
        self._cases, self._plan = cases, plan

    def __len__(self) -> int:
        return len(self._cases)

    @overload
    def __getitem__(self, index: int) -> Samples: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Samples]: ...
    def __getitem__(self, index: int | slice) -> Samples | Sequence[Samples]:
        if isinstance(index, slice):
            return _OtherCases(self._cases[index], self._plan)
        return self._plan.samples(self._cases[index])


class _BackgroundEngine:
    """Engine proxy that makes every request yield to live sessions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def transcribe(
        self, windows: Sequence[Window], *, background: bool = True, **options: Any
    ) -> list[Hypothesis]:
        return self._engine.transcribe(windows, background=True, **options)


def run_plan(
    plan: Plan,
    done: Iterable[tuple[str, str, int]] = (),
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[Trial]:
    """Yield the trials of ``plan`` as they finish, as many in parallel as the engine serves.

    Args:
        plan: what to run.
        done: trials to skip: case id, condition as text and index of the system.
        is_cancelled: asked before each trial; those already started are finished.

    Raises:
        AsrError: a model cannot be fetched or loaded.
    """
    known = set(done)
    for index, system in enumerate(plan.systems):
        todo = [
            (case, condition)
            for case, condition in itertools.product(plan.cases, plan.conditions)
            if (case.id, str(condition), index) not in known
        ]
        if todo and not is_cancelled():
            engine = cast(
                Engine, _BackgroundEngine(load_engine(resolve(system.model), system.engine))
            )
            yield from _run_system(plan, system, engine, iter(todo), is_cancelled)


def _run_system(
    plan: Plan,
    system: SystemConfig,
    engine: Engine,
    todo: Iterator[tuple[Case, Condition]],
    is_cancelled: Callable[[], bool],
) -> Iterator[Trial]:
    running: set[Future[Trial]] = set()
    with ThreadPoolExecutor(engine.n_parallel, "asr-trials") as pool:
        while True:
            while len(running) < engine.n_parallel and not is_cancelled():
                step = next(todo, None)
                if step is None:
                    break
                running.add(pool.submit(_trial, plan, *step, system, engine))
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()


def _trial(
    plan: Plan, case: Case, condition: Condition, system: SystemConfig, engine: Engine
) -> Trial:
    try:
        if not system.detects_language and case.language not in engine.languages:
            raise EngineError(
                f"The model {system.model} does not know {LANGUAGES[case.language]}; choose a "
                "multilingual model such as base."
            )
        result = run_trial(plan.audio(case, condition), case.language, system, engine)
    except AsrError as error:
        result = TrialResult(audio_s=case.seconds, error=str(error))
    return Trial(
        case.id, case.name, case.reference, case.language, condition, system, result, case.tags
    )
