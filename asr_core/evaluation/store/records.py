"""Records that the store returns, and their conversion from and to table rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from asr_core.errors import StoreError
from asr_core.evaluation.cases import MAX_NAME, MAX_REFERENCE, Case, NewCase
from asr_core.evaluation.conditions import Condition
from asr_core.evaluation.store.schema import AuditRow, CaseRow, FlagRow, NoiseRow, RunRow, TrialRow
from asr_core.evaluation.trial import SystemConfig, Trial, TrialResult
from asr_core.languages import LANGUAGES
from asr_core.text.plain_text import sanitise, shorten
from asr_core.transcript import Word

__all__ = [
    "REASONS",
    "Audit",
    "Flag",
    "Noise",
    "Run",
    "audit_from_row",
    "case_from_row",
    "case_to_row",
    "flag_from_row",
    "noise_from_row",
    "run_from_row",
    "trial_from_row",
    "trial_to_row",
    "utc_now",
    "validate_flag",
    "validate_run",
]

REASONS = (
    "accent", "noise", "name", "number", "hallucination", "wrong language", "other",
)  # fmt: skip


@dataclass(frozen=True)
class Noise:
    """Noise recording of the user's own."""

    id: str
    name: str
    seconds: float
    owner: str = ""


@dataclass(frozen=True)
class Run:
    """Run as it was requested.

    Attributes:
        seed: of the conditions.
        owner: e-mail address of who requested it; empty without sign-in.
        n_done: trials that have a result, of ``n_trials``.
    """

    id: str
    name: str
    seed: str
    case_ids: tuple[str, ...]
    conditions: tuple[Condition, ...]
    systems: tuple[SystemConfig, ...]
    created_at: datetime
    n_done: int = 0
    owner: str = ""

    @property
    def n_trials(self) -> int:
        """Number of trials: cases × conditions × systems."""
        return len(self.case_ids) * len(self.conditions) * len(self.systems)


@dataclass(frozen=True)
class Flag:
    """Recognition error that a user reported.

    Attributes:
        reason: one of ``REASONS``.
        hypothesis: what the model wrote.
        corrected: the user's transcript.
        source: name of the file or recording.
        start_s, end_s: on the source's clock, seconds.
        has_audio: whether its audio was kept.
        state: ``open``, ``accepted`` or ``dismissed``.
    """

    reason: str
    hypothesis: str
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
    """Change or deletion, as it was carried out.

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


# Limits of a run; every tester's page loads all runs.
_MAX_CONDITIONS, _MAX_SYSTEMS = 200, 50
_MAX_CONDITION = 200  # characters, as the column
_MAX_MODEL, _MAX_PROMPT = 300, 5000
_MAX_NOTE = 1000


def validate_flag(flag: Flag) -> Flag:
    """Return ``flag`` with sanitised texts, and the names of its source and model shortened.

    Raises:
        StoreError: its reason or language is unknown, or a text is too long.
    """
    if flag.reason not in REASONS or flag.language not in LANGUAGES:
        raise StoreError("This flag has no known reason or language.")
    if max(len(flag.hypothesis), len(flag.corrected)) > MAX_REFERENCE or len(flag.note) > _MAX_NOTE:
        raise StoreError(
            f"A flag holds at most {MAX_REFERENCE} characters of words and {_MAX_NOTE} of a note; "
            "shorten it."
        )
    return replace(
        flag,
        hypothesis=sanitise(flag.hypothesis),
        corrected=sanitise(flag.corrected),
        note=sanitise(flag.note),
        source=shorten(flag.source, MAX_NAME),
        model=shorten(flag.model, _MAX_MODEL),
    )


def validate_run(
    name: str, conditions: Sequence[Condition], systems: Sequence[SystemConfig]
) -> None:
    """Check a run before it is stored.

    Raises:
        StoreError: it is too large, or a text is too long.
    """
    if len(name) > MAX_NAME:
        raise StoreError(f"The name of a run has at most {MAX_NAME} characters; shorten it.")
    if len(conditions) > _MAX_CONDITIONS or len(systems) > _MAX_SYSTEMS:
        raise StoreError(
            f"A run takes at most {_MAX_CONDITIONS} conditions and {_MAX_SYSTEMS} models; "
            "divide it into several."
        )
    for condition in map(str, conditions):
        if len(condition) > _MAX_CONDITION:
            raise StoreError(f"The condition {shorten(condition)} is too long.")
    for system in systems:
        texts = (system.prompt, system.terms)
        if len(system.model) > _MAX_MODEL or max(map(len, texts)) > _MAX_PROMPT:
            raise StoreError(
                f"{shorten(system.model)}: a model's name has at most {_MAX_MODEL} characters, "
                f"its terms {_MAX_PROMPT}."
            )


def utc_now() -> datetime:
    """Return the current time, with its time zone."""
    return datetime.now(UTC)


def _aware(moment: datetime) -> datetime:
    """Return ``moment`` in UTC; SQLite drops the time zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def case_to_row(name: str, new: NewCase, n_bytes: int, owner: str) -> CaseRow:
    return CaseRow(
        id=name,
        name=new.name,
        reference=new.reference,
        language=new.language,
        seconds=new.seconds,
        tags=dict(new.tags),
        digest=new.digest,
        n_bytes=n_bytes,
        created_at=utc_now(),
        owner=owner,
    )


def case_from_row(row: CaseRow) -> Case:
    return Case(
        row.id, row.name, row.reference, row.language, row.seconds, row.tags, row.digest,
        _aware(row.created_at), row.owner,
    )  # fmt: skip


def noise_from_row(row: NoiseRow) -> Noise:
    return Noise(row.id, row.name, row.seconds, row.owner)


def audit_from_row(row: AuditRow) -> Audit:
    return Audit(_aware(row.at), row.who, row.role, row.what, row.n, tuple(row.ids))


def run_from_row(row: RunRow, n_done: int) -> Run:
    return Run(
        row.id,
        row.name,
        row.seed,
        tuple(row.case_ids),
        tuple(Condition.parse(text) for text in row.conditions),
        tuple(SystemConfig(**system) for system in row.systems),
        _aware(row.created_at),
        n_done,
        row.owner,
    )


def flag_from_row(row: FlagRow) -> Flag:
    return Flag(
        row.reason, row.hypothesis, row.corrected, row.source, row.model, row.language, row.start_s,
        row.end_s, row.note, row.state, row.has_audio, row.id, _aware(row.created_at),
        row.owner,
    )  # fmt: skip


def trial_to_row(run: Run, trial: Trial) -> TrialRow:
    return TrialRow(
        run_id=run.id,
        case_id=trial.case_id,
        condition=str(trial.condition),
        system=run.systems.index(trial.system),
        name=trial.name,
        reference=trial.reference,
        language=trial.language,
        tags=dict(trial.tags),
        result=_result_to_json(trial.result),
    )


def trial_from_row(row: TrialRow, run: Run) -> Trial:
    return Trial(
        row.case_id,
        row.name,
        row.reference,
        row.language,
        Condition.parse(row.condition),
        run.systems[row.system],
        _result_from_json(row.result),
        row.tags,
    )


def _result_to_json(result: TrialResult) -> dict[str, Any]:
    fields = {**vars(result), "latencies": list(result.latencies)}
    fields["words"] = [[w.text, w.start, w.end, w.probability] for w in result.words]
    fields["took_s"] = fields.pop("processing_s")  # its name in stores since the first version
    return fields


def _result_from_json(data: dict[str, Any]) -> TrialResult:
    fields = dict(data)
    fields["processing_s"] = fields.pop("took_s", 0.0)
    fields["words"] = tuple(Word(*word) for word in data["words"])
    fields["latencies"] = tuple(data["latencies"])
    return TrialResult(**fields)
