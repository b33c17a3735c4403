"""What the store hands out, and how it stands in the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from asr_core.errors import StoreError
from asr_core.languages import LANGUAGES
from asr_core.plain_text import plain, shortened
from asr_core.testbench.cases import MAX_NAME, MAX_SAID, Case, NewCase
from asr_core.testbench.conditions import Condition
from asr_core.testbench.store.schema import (
    AuditRow,
    CaseRow,
    FlagRow,
    NoiseRow,
    RunRow,
    TrialRow,
)
from asr_core.testbench.trial import Heard, Setup, Trial
from asr_core.transcript import Word

__all__ = [
    "REASONS",
    "Audit",
    "Flag",
    "Noise",
    "Run",
    "audit_of",
    "case_of",
    "check_run",
    "checked_flag",
    "flag_of",
    "noise_of",
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
    owner: str = ""


@dataclass(frozen=True)
class Run:
    """What was asked for.

    Attributes:
        seed: of the conditions.
        owner: address of who asked for it; empty if nobody signed in.
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
    owner: str = ""

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
    owner: str = ""


@dataclass(frozen=True)
class Audit:
    """A change or a deletion, as it was carried out.

    Attributes:
        who: address, or empty if nobody had signed in.
        what: such as ``delete cases``.
        n: of how many.
        ids: of the first few.
    """

    at: datetime
    who: str
    role: str
    what: str
    n: int
    ids: tuple[str, ...]


# Of a run. Every tester's page lists all runs with their models.
_MAX_CONDITIONS, _MAX_SETUPS = 200, 50
_MAX_CONDITION = 200  # characters; the column's
_MAX_MODEL, _MAX_PROMPT = 300, 1000
_MAX_NOTE = 1000


def checked_flag(flag: Flag) -> Flag:
    """Return ``flag`` with plain texts, and the names of its source and model shortened.

    Raises:
        StoreError: its reason or language is unknown, or a text too long.
    """
    if flag.reason not in REASONS or flag.language not in LANGUAGES:
        raise StoreError("This flag has no known reason or language.")
    if max(len(flag.heard), len(flag.corrected)) > MAX_SAID or len(flag.note) > _MAX_NOTE:
        raise StoreError(
            f"A flag holds at most {MAX_SAID} characters of words and {_MAX_NOTE} of a note; "
            "shorten it."
        )
    return replace(
        flag,
        heard=plain(flag.heard),
        corrected=plain(flag.corrected),
        note=plain(flag.note),
        source=shortened(flag.source, MAX_NAME),
        model=shortened(flag.model, _MAX_MODEL),
    )


def check_run(name: str, conditions: Sequence[Condition], setups: Sequence[Setup]) -> None:
    """Check what is asked for before it is stored.

    Raises:
        StoreError: it is too long or too much.
    """
    if len(name) > MAX_NAME:
        raise StoreError(f"The name of a run has at most {MAX_NAME} characters; shorten it.")
    if len(conditions) > _MAX_CONDITIONS or len(setups) > _MAX_SETUPS:
        raise StoreError(
            f"A run takes at most {_MAX_CONDITIONS} conditions and {_MAX_SETUPS} models; "
            "divide it into several."
        )
    for condition in map(str, conditions):
        if len(condition) > _MAX_CONDITION:
            raise StoreError(f"The condition {shortened(condition)} is too long.")
    for setup in setups:
        if len(setup.model) > _MAX_MODEL or len(setup.prompt) > _MAX_PROMPT:
            raise StoreError(
                f"{shortened(setup.model)}: a model's name has at most {_MAX_MODEL} characters, "
                f"its terms {_MAX_PROMPT}."
            )


def now() -> datetime:
    return datetime.now(UTC)


def _aware(moment: datetime) -> datetime:
    """SQLite gives times back without their zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def row_of_case(name: str, new: NewCase, n_bytes: int, owner: str) -> CaseRow:
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
        owner=owner,
    )


def case_of(row: CaseRow) -> Case:
    return Case(
        row.id, row.name, row.said, row.language, row.seconds, row.tags, row.digest,
        _aware(row.created_at), row.owner,
    )  # fmt: skip


def noise_of(row: NoiseRow) -> Noise:
    return Noise(row.id, row.name, row.seconds, row.owner)


def audit_of(row: AuditRow) -> Audit:
    return Audit(_aware(row.at), row.who, row.role, row.what, row.n, tuple(row.ids))


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
        row.owner,
    )


def flag_of(row: FlagRow) -> Flag:
    return Flag(
        row.reason, row.heard, row.corrected, row.source, row.model, row.language, row.start_s,
        row.end_s, row.note, row.state, row.has_audio, row.id, _aware(row.created_at),
        row.owner,
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
