"""Command ``evaluate``: the test bench for scripts and for CI of a model."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from asr_core.cli.console import print_line, say
from asr_core.cli.options import ENGINES, LANGUAGE, ParsedText, terms_option
from asr_core.errors import AsrError, ManifestError, ModelError
from asr_core.text.plain_text import sanitise

if TYPE_CHECKING:
    from asr_core.engines.base import EngineName
    from asr_core.evaluation.cases import Case, NewCase
    from asr_core.evaluation.experiment import Plan
    from asr_core.evaluation.layouts import Listing
    from asr_core.evaluation.manifests import EntryError
    from asr_core.evaluation.results import Summary
    from asr_core.evaluation.set_files import DiskFiles
    from asr_core.evaluation.trial import Trial

__all__ = ["evaluate"]


def _parse_percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"{text!r} is not a percentage; give a number from 0")
    return value


@dataclass(frozen=True)
class _EvaluateOptions:
    """Options of the command, as its help describes them."""

    manifest: Path
    model: tuple[str, ...]
    engine: EngineName | Literal["auto"]
    condition: tuple[str, ...]
    mode: str
    language: str
    detect_language: bool
    prompt: str
    terms: tuple[str, ...]
    beam_size: int
    seed: str
    report: Path | None
    csv: Path | None
    json: Path | None
    fail_above: float | None


_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("manifest", type=_PATH, metavar="SET")
@click.option(
    "--model",
    multiple=True,
    metavar="MODEL",
    show_default="base",
    help="Model to score; may be given several times.",
)
@click.option("--engine", type=click.Choice(ENGINES), default="auto", show_default=True)
@click.option(
    "--condition",
    multiple=True,
    metavar="CONDITION",
    show_default="clean",
    help="Such as white:10, pink:5, babble:10, pitch:-4, speed:1.2, room:0.6, telephone, "
    "amr:4.75, clip:20, gain:-30, loss:10 or noise:10@file.wav; may be given several times.",
)
@click.option(
    "--mode",
    type=click.Choice(("full", "streaming", "both")),
    default="full",
    show_default=True,
)
@click.option(
    "--language",
    type=LANGUAGE,
    default="en",
    show_default=True,
    metavar="LANGUAGE",
    help="Language of recordings whose row names none, such as German, de or de-AT.",
)
@click.option("--detect-language", is_flag=True, help="Let the model detect the language.")
@click.option(
    "--prompt",
    default="",
    metavar="TEXT",
    help="Text that might have come before; full context only.",
)
@terms_option
@click.option(
    "--beam-size",
    type=click.IntRange(1, 10),
    default=5,
    show_default=True,
    metavar="N",
    help="Beam size in full context, 1 to 10; 1 is greedy.",
)
@click.option(
    "--seed",
    default="1",
    show_default=True,
    help="Seed of the conditions: the same seed makes the same audio.",
)
@click.option("--report", type=_PATH, metavar="HTML", help="Write a report to read.")
@click.option("--csv", type=_PATH, metavar="CSV", help="Write a line for each trial.")
@click.option("--json", type=_PATH, metavar="JSON", help="Write everything.")
@click.option(
    "--fail-above",
    type=ParsedText("percentage", _parse_percent),
    metavar="PERCENT",
    help="Exit with 1 if the word error rate of any row is higher, or if words were "
    "hallucinated where no recording has any.",
)
def evaluate(**options: Any) -> int:
    """Score models on recordings whose words are known.

    SET is a CSV, TSV or JSONL table with a column for the file (file_name, audio_filepath,
    path) and one for the words (transcription, text, sentence), or a folder with such a table,
    as in Hugging Face, NeMo, Common Voice and LJ Speech data sets, or laid out like LibriSpeech
    or Kaldi. Prints a table; exits with 1 when --fail-above is exceeded, or when a recording
    cannot be used.
    """
    return _evaluate(_EvaluateOptions(**options))


# --- the command -------------------------------------------------------------------


@dataclass(frozen=True)
class _TestSet:
    """Cases with their audio, and the rows that cannot be used.

    Attributes:
        name: of the table, for the report.
        cases: in the order of the rows.
        n_rows: number of rows of the table.
        left_out: rows that cannot be used, in their order.
    """

    name: str
    cases: Sequence[tuple[Case, NewCase]]
    n_rows: int
    left_out: Sequence[EntryError]


def _evaluate(options: _EvaluateOptions) -> int:
    from asr_core.errors import ConditionError

    try:
        _check_report_paths(options)
        recordings = _read_set(options.manifest, options.language)
        plan = _make_plan(options, recordings)
        _check_languages(plan)
    except (ConditionError, ManifestError, ModelError) as error:
        say(str(error))
        return 2
    if recordings.left_out:
        say(_left_out_message(recordings))
    if not plan.cases:
        say("Nothing to score: no recording of the set can be used.")
        return 1
    trials, code = _run_trials(plan)
    try:
        passed = _print_rows(trials, options.fail_above)
    finally:  # even if the table cannot be printed
        written = _write_reports(options, recordings, trials)
    n_left_out = len(recordings.left_out)
    if n_left_out:
        say(f"Scored without {n_left_out} of {recordings.n_rows} rows: see above.")
    failed = n_left_out or any(trial.result.error for trial in trials)
    return code or (0 if passed and written and not failed else 1)


def _run_trials(plan: Plan) -> tuple[list[Trial], int]:
    """Return the trials in order, and an exit code that is not 0 if some are missing."""
    from asr_core.evaluation.experiment import run_plan

    n_trials = len(plan.cases) * len(plan.conditions) * len(plan.systems)
    trials: list[Trial] = []
    errors: Counter[str] = Counter()
    code = 0
    try:
        for trial in run_plan(plan):
            trials.append(trial)
            if trial.result.error:
                errors[trial.result.error] += 1
                if errors[trial.result.error] == 1:  # a thousand recordings, one sentence
                    say(f"{trial.name}, {trial.condition}: {trial.result.error}")
            if len(trials) % 25 == 0 or len(trials) == n_trials:
                say(f"{len(trials)} of {n_trials}")
    except AsrError as error:  # a model cannot be loaded; the results of the others stay
        if not trials:
            raise
        code = 1
        say(str(error))
    except KeyboardInterrupt:
        if not trials:
            raise
        code = 130
        say(f"Stopped after {len(trials)} of {n_trials}.")
    for text, n in errors.items():
        if n > 1:
            say(f"{n} times: {text}")
    order = {case.id: i for i, case in enumerate(plan.cases)}
    trials.sort(key=lambda t: (plan.systems.index(t.system), str(t.condition), order[t.case_id]))
    return trials, code


def _make_plan(options: _EvaluateOptions, recordings: _TestSet) -> Plan:
    from asr_core.audio.decode import decode
    from asr_core.audio.pcm import to_float32
    from asr_core.evaluation.conditions import CLEAN, Condition
    from asr_core.evaluation.experiment import Plan
    from asr_core.evaluation.trial import MODES, SystemConfig

    conditions = [Condition.parse(text) for text in options.condition or [str(CLEAN)]]
    noises = {c.noise: decode(c.noise) for c in conditions if c.noise}
    modes = {"full": MODES[:1], "streaming": MODES[1:], "both": MODES}[options.mode]
    systems = [
        SystemConfig(model, options.engine, mode, options.detect_language, options.prompt,
              options.beam_size, ", ".join(options.terms))
        for model in options.model or ["base"]
        for mode in modes
    ]  # fmt: skip
    samples = {case.id: new.samples for case, new in recordings.cases}
    return Plan(
        [case for case, _ in recordings.cases],
        list(dict.fromkeys(conditions)),
        list(dict.fromkeys(systems)),
        lambda case: to_float32(samples[case.id]),
        noises,
        options.seed,
    )


def _check_languages(plan: Plan) -> None:
    """Check that every model can transcribe a language of the recordings.

    Recordings in other languages fail one by one later.

    Raises:
        ModelError: a model can transcribe none of the recordings.
    """
    from asr_core.models import check_request

    languages = sorted({case.language for case in plan.cases})
    for system in plan.systems:
        refusals: list[ModelError] = []
        for language in [] if system.detects_language else languages:
            try:
                check_request(system.model, language)
            except ModelError as error:
                refusals.append(error)
        if refusals and len(refusals) == len(languages):
            raise refusals[0]


# --- the set -----------------------------------------------------------------------


def _read_set(path: Path, language: str) -> _TestSet:
    """Return the recordings of a table or folder, in the order of its rows.

    Raises:
        ManifestError: there is no table, or it cannot be read.
    """
    from datetime import UTC, datetime

    from asr_core.evaluation.cases import Case, NewCase
    from asr_core.evaluation.manifests import EntryError, read_cases
    from asr_core.evaluation.set_files import file_opener

    files, listing = _read_listing(path)
    open_file = file_opener(files, listing.folder, str(Path.cwd()))
    found = dict(read_cases(listing.entries, open_file, language, say))
    now = datetime.now(UTC)
    cases = [
        (Case(f"{index:06d}", new.name, new.reference, new.language, new.seconds, new.tags,
              new.digest, now), new)
        for index, new in sorted(found.items())
        if isinstance(new, NewCase)
    ]  # fmt: skip
    left_out = [new for _, new in sorted(found.items()) if isinstance(new, EntryError)]
    return _TestSet(path.name, cases, len(found), left_out)


def _read_listing(path: Path) -> tuple[DiskFiles, Listing]:
    """Return the files, and the listing of a table or folder."""
    from asr_core.evaluation.layouts import NothingListed, find_listing, read_listing, read_split
    from asr_core.evaluation.set_files import DiskFiles

    if not path.is_dir():
        files = DiskFiles(path.parent)
        return files, read_listing(files, path.name)
    files = DiskFiles(path)
    try:
        name, note = find_listing(files)
    except NothingListed:
        above = DiskFiles(path.resolve().parent)
        listing = read_split(above, path.resolve().name)
        if listing is None:
            raise
        return above, listing
    if note:
        say(note)
    return files, read_listing(files, name)


_MAX_NAMED_ROWS = 20  # a set may lack thousands


def _left_out_message(recordings: _TestSet) -> str:
    """Return a sentence that names the rows that cannot be used."""
    n = len(recordings.left_out)
    some = "; ".join(
        f"{each.where} ({each.reason})" for each in recordings.left_out[:_MAX_NAMED_ROWS]
    )
    rest = f"; and {n - _MAX_NAMED_ROWS} more" if n > _MAX_NAMED_ROWS else ""
    return f"{n} of {recordings.n_rows} rows {'is' if n == 1 else 'are'} left out: {some}{rest}."


# --- results -----------------------------------------------------------------------


def _report_paths(options: _EvaluateOptions) -> list[Path]:
    return [path for path in (options.csv, options.json, options.report) if path is not None]


def _check_report_paths(options: _EvaluateOptions) -> None:
    """Check that the reports can be written, before anything is transcribed.

    Raises:
        ManifestError: a report cannot be written.
    """
    from asr_core.output.atomic_files import check_writable

    used = [os.path.realpath(options.manifest)]
    for path in _report_paths(options):
        try:
            check_writable(path)
        except FileNotFoundError:
            raise ManifestError(
                f"{path} cannot be written: there is no folder {path.parent}; make it first."
            ) from None
        except (OSError, ValueError) as error:
            raise ManifestError(f"{path} cannot be written ({_reason(error)}).") from None
        target = os.path.realpath(path)
        if target in used and (path.is_file() or not path.exists()):
            raise ManifestError(f"{path} is asked for twice; give each report a name of its own.")
        used.append(target)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "it is no path of a file"


def _write_reports(
    options: _EvaluateOptions, recordings: _TestSet, trials: Sequence[Trial]
) -> bool:
    """Write the reports that were asked for; return whether all succeeded."""
    from asr_core.evaluation import report
    from asr_core.output.atomic_files import write_atomically

    left_out = [f"{each.where}: {each.reason}" for each in recordings.left_out]
    title = f"{recordings.name}: {', '.join(options.model or ['base'])}"
    wanted: list[tuple[Path | None, Callable[[], str]]] = [
        (options.csv, lambda: report.to_csv(trials)),
        (options.json, lambda: report.to_json(trials, left_out)),
        (options.report, lambda: report.to_html(trials, title, left_out)),
    ]
    written = True
    for path, make in wanted:
        if path is not None:
            try:
                write_atomically(path, sanitise(make()).encode())
            except OSError as error:
                say(f"{path} cannot be written ({error.strerror}).")
                written = False
    return written


def _print_rows(trials: Sequence[Trial], limit_percent: float | None) -> bool:
    """Print the table and return whether every row is within the limit."""
    from asr_core.evaluation.report import percent
    from asr_core.evaluation.results import summarise_by_condition

    passed = True
    print_line("condition\tmodel\tWER\t95 % interval\tCER\tS/D/I\tinvented\tcases")
    for (condition, system), row in summarise_by_condition(trials).items():
        counts, wordless = row.counts, row.wordless
        begin = [sanitise(str(condition)), sanitise(system)]
        n_cases = row.n_cases - wordless.n_cases
        if n_cases:
            cells = (
                *begin, percent(row.words.rate),
                f"{percent(row.words.low)} to {percent(row.words.high)}", percent(row.characters),
                f"{counts.substitutions}/{counts.deletions}/{counts.insertions}",
                row.n_hallucinated - wordless.n_hallucinated, n_cases,
            )  # fmt: skip
            print_line("\t".join(map(str, cells)))
        if wordless.n_cases:
            rest = (wordless, "–", "–", "–", wordless.n_hallucinated, wordless.n_cases)
            print_line("\t".join(map(str, (*begin, *rest))))
        if limit_percent is not None and (problem := _excess(row, limit_percent)):
            passed = False
            say(f"{condition}, {system}: {problem}.")
    return passed


def _excess(row: Summary, limit_percent: float) -> str | None:
    """Return how a row exceeds the limit, or None if it does not."""
    from asr_core.evaluation.report import percent

    if row.words.rate is None:
        return (
            f"{row.wordless}, for which no rate can be given"
            if row.wordless.n_hallucinated
            else None
        )
    if 100 * row.words.rate > limit_percent:
        return f"{percent(row.words.rate)} is above {limit_percent:g} %"
    return None
