"""What the store hands out, and how it stands in the tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asr_core.testbench.cases import Case, NewCase
from asr_core.testbench.conditions import Condition
from asr_core.testbench.store.schema import CaseRow, FlagRow, RunRow, TrialRow
from asr_core.testbench.trial import Heard, Setup, Trial
from asr_core.transcript import Word

__all__ = [
    "REASONS",
    "Flag",
    "Noise",
    "Run",
    "case_of",
    "flag_of",
    "now",
    "row_of_case",
    "row_of_trial",
    "run_of",
    "trial_of",
]

REASONS = (
    "accent", "noise", "name", "number", "hallucination", "wrong language", "other",
)  # fmt: skip


@dataclass(frozen=True)
class Noise:
    """A noise of the user's own."""

    id: str
    name: str
    seconds: float


@dataclass(frozen=True)
class Run:
    """What was asked for.

    Attributes:
        seed: of the conditions.
        n_done: trials that have a result, of ``n_trials``.
    """

    id: str
    name: str
    seed: str
    case_ids: tuple[str, ...]
    conditions: tuple[Condition, ...]
    setups: tuple[Setup, ...]
    created_at: datetime
    n_done: int = 0

    @property
    def n_trials(self) -> int:
        return len(self.case_ids) * len(self.conditions) * len(self.setups)


@dataclass(frozen=True)
class Flag:
    """A place where the model was wrong, as somebody saw it.

    Attributes:
        reason: one of ``REASONS``.
        source: where it was: the file's or the take's name.
        start_s, end_s: of the stretch, on the source's clock.
        has_audio: its audio was kept.
        state: ``open``, ``accepted`` or ``dismissed``.
    """

    reason: str
    heard: str
    corrected: str
    source: str
    model: str
    language: str
    start_s: float
    end_s: float
    note: str = ""
    state: str = "open"
    has_audio: bool = False
    id: str = ""
    created_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


def _aware(moment: datetime) -> datetime:
    """SQLite gives times back without their zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def row_of_case(name: str, new: NewCase, n_bytes: int) -> CaseRow:
    return CaseRow(
        id=name,
        name=new.name,
        said=new.said,
        language=new.language,
        seconds=new.seconds,
        tags=dict(new.tags),
        digest=new.digest,
        n_bytes=n_bytes,
        created_at=now(),
    )


def case_of(row: CaseRow) -> Case:
    return Case(
        row.id, row.name, row.said, row.language, row.seconds, row.tags, row.digest,
        _aware(row.created_at),
    )  # fmt: skip


def run_of(row: RunRow, n_done: int) -> Run:
    return Run(
        row.id,
        row.name,
        row.seed,
        tuple(row.case_ids),
        tuple(Condition.parse(text) for text in row.conditions),
        tuple(Setup(**setup) for setup in row.setups),
        _aware(row.created_at),
        n_done,
    )


def flag_of(row: FlagRow) -> Flag:
    return Flag(
        row.reason, row.heard, row.corrected, row.source, row.model, row.language, row.start_s,
        row.end_s, row.note, row.state, row.has_audio, row.id, _aware(row.created_at),
    )  # fmt: skip


def row_of_trial(run: Run, trial: Trial) -> TrialRow:
    return TrialRow(
        run_id=run.id,
        case_id=trial.case_id,
        condition=str(trial.condition),
        setup=run.setups.index(trial.setup),
        name=trial.name,
        said=trial.said,
        language=trial.language,
        tags=dict(trial.tags),
        heard=_heard_to_json(trial.heard),
    )


def trial_of(row: TrialRow, run: Run) -> Trial:
    return Trial(
        row.case_id,
        row.name,
        row.said,
        row.language,
        Condition.parse(row.condition),
        run.setups[row.setup],
        _heard_from_json(row.heard),
        row.tags,
    )


def _heard_to_json(heard: Heard) -> dict[str, Any]:
    words = [[w.text, w.start, w.end, w.probability] for w in heard.words]
    return {**vars(heard), "words": words, "latencies": list(heard.latencies)}


def _heard_from_json(data: dict[str, Any]) -> Heard:
    words = tuple(Word(*word) for word in data["words"])
    return Heard(**{**data, "words": words, "latencies": tuple(data["latencies"])})
