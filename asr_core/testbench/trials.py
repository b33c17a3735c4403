"""Cases × conditions × setups, one after the other or side by side: a generator of trials.

Nothing here knows of stores or pages; who takes the trials keeps them.
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
from asr_core.languages import LANGUAGES
from asr_core.models import resolve
from asr_core.testbench.cases import Case
from asr_core.testbench.conditions import Condition, Surroundings, varied
from asr_core.testbench.trial import Heard, Setup, Trial, hear

__all__ = ["Plan", "carry_out"]

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """What is to be heard.

    Attributes:
        samples: gives those of a case; from any thread.
        noises: the user's own, by name.
        seed: the same makes the same audio.
    """

    cases: Sequence[Case]
    conditions: Sequence[Condition]
    setups: Sequence[Setup]
    samples: Callable[[Case], Samples]
    noises: Mapping[str, Samples] = field(default_factory=dict)
    seed: str = "1"

    def audio(self, case: Case, condition: Condition) -> Samples:
        """``case`` under ``condition``, (n_samples,).

        Raises:
            ConditionError: it lacks what it needs.
        """
        others = _Voices(sorted((c for c in self.cases if c.id != case.id), key=_digest), self)
        surroundings = Surroundings(others, self.noises)
        return varied(self.samples(case), condition, f"{self.seed}/{case.digest}", surroundings)


def _digest(case: Case) -> tuple[str, str]:
    return case.digest, case.id


class _Voices(Sequence[Samples]):
    """Of other cases; each is read when it is needed."""

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
            return _Voices(self._cases[index], self._plan)
        return self._plan.samples(self._cases[index])


class _Patient:
    """An engine whose calls all give way to those who speak at the live page."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def transcribe(
        self, windows: Sequence[Window], *, patient: bool = True, **options: Any
    ) -> list[Hypothesis]:
        return self._engine.transcribe(windows, patient=True, **options)


def carry_out(
    plan: Plan,
    done: Iterable[tuple[str, str, int]] = (),
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[Trial]:
    """The trials of ``plan``, as they are finished; as many side by side as the engine serves.

    Args:
        done: case's id, condition and place of the setup of those to leave out.
        is_cancelled: asked before each; those that run are finished.

    Raises:
        AsrError: a model cannot be fetched or loaded.
    """
    known = set(done)
    for place, setup in enumerate(plan.setups):
        todo = [
            (case, condition)
            for case, condition in itertools.product(plan.cases, plan.conditions)
            if (case.id, str(condition), place) not in known
        ]
        if todo and not is_cancelled():
            engine = cast(Engine, _Patient(load_engine(resolve(setup.model), setup.engine)))
            yield from _side_by_side(plan, setup, engine, iter(todo), is_cancelled)


def _side_by_side(
    plan: Plan,
    setup: Setup,
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
                running.add(pool.submit(_trial, plan, *step, setup, engine))
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()


def _trial(plan: Plan, case: Case, condition: Condition, setup: Setup, engine: Engine) -> Trial:
    try:
        if not setup.detects_language and case.language not in engine.languages:
            raise EngineError(
                f"The model {setup.model} does not know {LANGUAGES[case.language]}; choose a "
                "multilingual model such as base."
            )
        heard = hear(plan.audio(case, condition), case.language, setup, engine)
    except AsrError as error:
        heard = Heard(audio_s=case.seconds, error=str(error))
    return Trial(case.id, case.name, case.said, case.language, condition, setup, heard, case.tags)
