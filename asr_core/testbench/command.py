"""``python -m asr_core evaluate``: the test bench for scripts and for CI of a model."""

from __future__ import annotations

import argparse
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asr_core.errors import AsrError, LanguageError, ManifestError, ModelError
from asr_core.languages import language_code
from asr_core.plain_text import plain

if TYPE_CHECKING:
    from asr_core.testbench.cases import Case, NewCase
    from asr_core.testbench.layouts import Listing
    from asr_core.testbench.manifests import Problem
    from asr_core.testbench.results import Row
    from asr_core.testbench.set_files import DiskFiles
    from asr_core.testbench.trial import Trial
    from asr_core.testbench.trials import Plan

__all__ = ["add_evaluate", "language_argument"]

Say = Callable[[str], None]


def add_evaluate(parser: argparse.ArgumentParser, say: Say, show: Say) -> None:
    """Its arguments; ``say`` writes a line for the user, ``show`` one of the result."""
    parser.description = (
        "Score models on recordings whose words are known. The set is a CSV, TSV or JSONL "
        "table with a column for the file (file_name, audio_filepath, path) and one for the words "
        "(transcription, text, sentence), or a folder with such a table in it, as Hugging Face, "
        "NeMo, Common Voice and LJ Speech have it, or laid out as by LibriSpeech or Kaldi. Prints "
        "a table; exits with 1 when --fail-above is passed, or when a recording cannot be used."
    )
    parser.add_argument("manifest", type=Path, metavar="SET", help="table, or folder with one")
    parser.add_argument(
        "--model", action="append", metavar="M", help="may be given again (default: base)"
    )
    parser.add_argument(
        "--engine", choices=("auto", "onnx", "ctranslate2", "transformers"), default="auto"
    )
    parser.add_argument(
        "--condition",
        action="append",
        metavar="C",
        help="such as white:10, pink:5, babble:10, pitch:-4, speed:1.2, room:0.6, telephone, "
        "amr:4.75, clip:20, gain:-30, loss:10 or noise:10@file.wav; may be given again "
        "(default: clean)",
    )
    parser.add_argument(
        "--mode", choices=("full", "streaming", "both"), default="full", help="(default: full)"
    )
    parser.add_argument(
        "--language",
        type=language_argument,
        default="en",
        metavar="LANGUAGE",
        help="where the table tells none, such as German, de or de-AT (default: en)",
    )
    parser.add_argument(
        "--detect-language", action="store_true", help="let the model find the language"
    )
    parser.add_argument("--prompt", default="", metavar="TEXT", help="names and terms")
    parser.add_argument(
        "--beam-size",
        type=int,
        choices=range(1, 11),
        default=5,
        metavar="N",
        help="of full context, 1 to 10; 1 is greedy (default: 5)",
    )
    parser.add_argument(
        "--seed", default="1", help="of the conditions: the same makes the same audio (default: 1)"
    )
    parser.add_argument("--report", type=Path, metavar="HTML", help="write a report to look at")
    parser.add_argument("--csv", type=Path, metavar="CSV", help="write a line for each trial")
    parser.add_argument("--json", type=Path, metavar="JSON", help="write everything")
    parser.add_argument(
        "--fail-above",
        type=_percent,
        metavar="PERCENT",
        help="exit with 1 if the word error rate of any row is above, or if words were invented "
        "where no recording has any",
    )
    parser.set_defaults(run=lambda options: _evaluate(options, say, show))


def language_argument(text: str) -> str:
    """Return the code of the language that an argument names."""
    try:
        return language_code(text)
    except LanguageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no percentage; give a number from 0")
    return value


# --- the command -------------------------------------------------------------------


@dataclass(frozen=True)
class _Set:
    """Cases with their sound, and the rows that gave none.

    Attributes:
        name: of the table, for the report.
        n_rows: of the table.
        left_out: by their places in the table.
    """

    name: str
    cases: Sequence[tuple[Case, NewCase]]
    n_rows: int
    left_out: Sequence[Problem]


def _evaluate(options: argparse.Namespace, say: Say, show: Say) -> int:
    from asr_core.errors import ConditionError

    try:
        _check_places(options)
        recordings = _read_set(options.manifest, options.language, say)
        plan = _plan(options, recordings)
        _check_languages(plan)
    except (ConditionError, ManifestError, ModelError) as error:
        say(str(error))
        return 2
    if recordings.left_out:
        say(_left_out(recordings))
    if not plan.cases:
        say("Nothing to score: no recording of the set can be used.")
        return 1
    trials, code = _carried_out(plan, say)
    try:
        passed = _show_rows(trials, options.fail_above, say, show)
    finally:  # whatever has become of the output
        written = _write_reports(options, recordings, trials, say)
    n_left_out = len(recordings.left_out)
    if n_left_out:
        say(f"Scored without {n_left_out} of {recordings.n_rows} rows: see above.")
    failed = n_left_out or any(trial.heard.error for trial in trials)
    return code or (0 if passed and written and not failed else 1)


def _carried_out(plan: Plan, say: Say) -> tuple[list[Trial], int]:
    """Return the trials in order, and an exit code other than 0 if they are not all."""
    from asr_core.testbench.trials import carry_out

    n_trials = len(plan.cases) * len(plan.conditions) * len(plan.setups)
    trials: list[Trial] = []
    errors: Counter[str] = Counter()
    code = 0
    try:
        for trial in carry_out(plan):
            trials.append(trial)
            if trial.heard.error:
                errors[trial.heard.error] += 1
                if errors[trial.heard.error] == 1:  # a thousand recordings, one sentence
                    say(f"{trial.name}, {trial.condition}: {trial.heard.error}")
            if len(trials) % 25 == 0 or len(trials) == n_trials:
                say(f"{len(trials)} of {n_trials}")
    except AsrError as error:  # the next model cannot be loaded; what the others heard stays
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
    trials.sort(key=lambda t: (plan.setups.index(t.setup), str(t.condition), order[t.case_id]))
    return trials, code


def _plan(options: argparse.Namespace, recordings: _Set) -> Plan:
    from asr_core.audio.decode import decode
    from asr_core.testbench.conditions import CLEAN, Condition
    from asr_core.testbench.trial import MODES, Setup
    from asr_core.testbench.trials import Plan

    conditions = [Condition.parse(text) for text in options.condition or [str(CLEAN)]]
    noises = {c.noise: decode(c.noise) for c in conditions if c.noise}
    modes = {"full": MODES[:1], "streaming": MODES[1:], "both": MODES}[options.mode]
    setups = [
        Setup(model, options.engine, mode, options.detect_language, options.prompt,
              options.beam_size)
        for model in options.model or ["base"]
        for mode in modes
    ]  # fmt: skip
    samples = {case.id: new.samples for case, new in recordings.cases}
    return Plan(
        [case for case, _ in recordings.cases],
        list(dict.fromkeys(conditions)),
        list(dict.fromkeys(setups)),
        lambda case: (samples[case.id] / 32768).astype("float32"),
        noises,
        options.seed,
    )


def _check_languages(plan: Plan) -> None:
    """Raise ModelError if one of the models can hear none of the recordings.

    Where it can hear some, the others are told as they come.
    """
    from asr_core.models import check_request

    spoken = sorted({case.language for case in plan.cases})
    for setup in plan.setups:
        refusals: list[ModelError] = []
        for language in [] if setup.detects_language else spoken:
            try:
                check_request(setup.model, language)
            except ModelError as error:
                refusals.append(error)
        if refusals and len(refusals) == len(spoken):
            raise refusals[0]


# --- the set -----------------------------------------------------------------------


def _read_set(path: Path, language: str, say: Say) -> _Set:
    """Return the recordings of a table or folder, in the order of its rows.

    Raises:
        ManifestError: there is no table, or it cannot be read.
    """
    from datetime import UTC, datetime

    from asr_core.testbench.cases import Case, NewCase
    from asr_core.testbench.manifests import Problem, read_cases
    from asr_core.testbench.set_files import picker

    files, listing = _listing(path, say)
    open_file = picker(files, listing.folder, str(Path.cwd()))
    found = dict(read_cases(listing.entries, open_file, language, say))
    now = datetime.now(UTC)
    cases = [
        (Case(f"{place:06d}", new.name, new.said, new.language, new.seconds, new.tags,
              new.digest, now), new)
        for place, new in sorted(found.items())
        if isinstance(new, NewCase)
    ]  # fmt: skip
    left_out = [new for _, new in sorted(found.items()) if isinstance(new, Problem)]
    return _Set(path.name, cases, len(found), left_out)


def _listing(path: Path, say: Say) -> tuple[DiskFiles, Listing]:
    """Return what a table, or a folder, lists, and where its files are."""
    from asr_core.testbench.layouts import NothingListed, find_listing, read_listing, read_split
    from asr_core.testbench.set_files import DiskFiles

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


_N_NAMED = 20  # of the rows that are left out; a set may lack thousands


def _left_out(recordings: _Set) -> str:
    """Name the rows that are left out."""
    n = len(recordings.left_out)
    some = "; ".join(f"{each.where} ({each.reason})" for each in recordings.left_out[:_N_NAMED])
    rest = f"; and {n - _N_NAMED} more" if n > _N_NAMED else ""
    return f"{n} of {recordings.n_rows} rows {'is' if n == 1 else 'are'} left out: {some}{rest}."


# --- results -----------------------------------------------------------------------


def _places(options: argparse.Namespace) -> list[Path]:
    return [path for path in (options.csv, options.json, options.report) if path is not None]


def _check_places(options: argparse.Namespace) -> None:
    """Raise ManifestError if a report could not be written, before anything is heard."""
    from asr_core.written import check_writable

    taken = [os.path.realpath(options.manifest)]
    for path in _places(options):
        try:
            check_writable(path)
        except FileNotFoundError:
            raise ManifestError(
                f"{path} cannot be written: there is no folder {path.parent}; make it first."
            ) from None
        except (OSError, ValueError) as error:
            raise ManifestError(f"{path} cannot be written ({_reason(error)}).") from None
        place = os.path.realpath(path)
        if place in taken and (path.is_file() or not path.exists()):
            raise ManifestError(f"{path} is asked for twice; give each report a name of its own.")
        taken.append(place)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "it is no path of a file"


def _write_reports(
    options: argparse.Namespace, recordings: _Set, trials: Sequence[Trial], say: Say
) -> bool:
    """Return whether every report that was asked for is written."""
    from asr_core.testbench import report
    from asr_core.written import write_whole

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
                write_whole(path, plain(make()).encode())
            except OSError as error:
                say(f"{path} cannot be written ({error.strerror}).")
                written = False
    return written


def _show_rows(trials: Sequence[Trial], limit_percent: float | None, say: Say, show: Say) -> bool:
    """Show the table; return whether every row is within the limit."""
    from asr_core.testbench.report import percent
    from asr_core.testbench.results import by_condition

    passed = True
    show("condition\tmodel\tWER\t95 % interval\tCER\tS/D/I\tinvented\tcases")
    for (condition, setup), row in by_condition(trials).items():
        counts, wordless = row.counts, row.wordless
        begin = [plain(str(condition)), plain(setup)]
        n_cases = row.n_cases - wordless.n_cases
        if n_cases:
            cells = (
                *begin, percent(row.words.rate),
                f"{percent(row.words.low)} to {percent(row.words.high)}", percent(row.characters),
                f"{counts.substitutions}/{counts.deletions}/{counts.insertions}",
                row.n_invented - wordless.n_invented, n_cases,
            )  # fmt: skip
            show("\t".join(map(str, cells)))
        if wordless.n_cases:
            rest = (wordless, "–", "–", "–", wordless.n_invented, wordless.n_cases)
            show("\t".join(map(str, (*begin, *rest))))
        if limit_percent is not None and (problem := _above(row, limit_percent)):
            passed = False
            say(f"{condition}, {setup}: {problem}.")
    return passed


def _above(row: Row, limit_percent: float) -> str | None:
    """Return why a row is not within the limit, if it is not."""
    from asr_core.testbench.report import percent

    if row.words.rate is None:
        return f"{row.wordless}, of which no rate can be told" if row.wordless.n_invented else None
    if 100 * row.words.rate > limit_percent:
        return f"{percent(row.words.rate)} is above {limit_percent:g} %"
    return None
