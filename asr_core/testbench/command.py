"""``python -m asr_core evaluate``: the test bench for scripts and for CI of a model."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from asr_core.errors import AsrError, AudioError, ManifestError
from asr_core.plain_text import plain, shortened

if TYPE_CHECKING:
    from asr_core.testbench.cases import Case, NewCase
    from asr_core.testbench.trial import Trial
    from asr_core.testbench.trials import Plan

__all__ = ["add_evaluate"]

Say = Callable[[str], None]


def add_evaluate(parser: argparse.ArgumentParser, say: Say) -> None:
    """Its arguments; ``say`` writes a line for the user."""
    parser.description = (
        "Score models on recordings whose words are known. The manifest is a CSV, TSV or JSONL "
        "table with a column for the file (file_name, audio_filepath, path) and one for the words "
        "(transcription, text, sentence), or a folder with such a table in it. Prints a table; "
        "exits with 1 when --fail-above is passed, or when a recording cannot be used."
    )
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="table, or folder with one")
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
        default="en",
        metavar="CODE",
        help="where the manifest tells none (default: en)",
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
        type=float,
        metavar="PERCENT",
        help="exit with 1 if the word error rate of any row is above",
    )
    parser.set_defaults(run=lambda options: _evaluate(options, say))


def _evaluate(options: argparse.Namespace, say: Say) -> int:
    from asr_core.errors import ConditionError
    from asr_core.testbench.trials import carry_out

    try:
        plan, problems = _plan(options)
    except (ConditionError, ManifestError) as error:
        say(str(error))
        return 2
    for problem in problems:
        say(str(problem))
    if not plan.cases:
        say("Nothing to score: no recording of the manifest can be used.")
        return 1
    n_trials = len(plan.cases) * len(plan.conditions) * len(plan.setups)
    trials: list[Trial] = []
    for trial in carry_out(plan):
        trials.append(trial)
        if trial.heard.error:
            say(f"{trial.name}, {trial.condition}: {trial.heard.error}")
        if len(trials) % 25 == 0 or len(trials) == n_trials:
            say(f"{len(trials)} of {n_trials}")
    order = {case.id: i for i, case in enumerate(plan.cases)}
    trials.sort(key=lambda t: (plan.setups.index(t.setup), str(t.condition), order[t.case_id]))
    _write_reports(options, trials)
    passed = _print_rows(trials, options.fail_above, say)
    failed = problems or any(trial.heard.error for trial in trials)
    return 0 if passed and not failed else 1


def _plan(options: argparse.Namespace) -> tuple[Plan, list[AsrError]]:
    from asr_core.audio.decode import decode
    from asr_core.testbench.conditions import CLEAN, Condition
    from asr_core.testbench.trial import MODES, Setup
    from asr_core.testbench.trials import Plan

    cases, problems = _cases(options.manifest, options.language)
    conditions = [Condition.parse(text) for text in options.condition or [str(CLEAN)]]
    noises = {c.noise: decode(c.noise) for c in conditions if c.noise}
    modes = {"full": MODES[:1], "streaming": MODES[1:], "both": MODES}[options.mode]
    setups = [
        Setup(model, options.engine, mode, options.detect_language, options.prompt,
              options.beam_size)
        for model in options.model or ["base"]
        for mode in modes
    ]  # fmt: skip
    known = [case for case, _ in cases]
    samples = {case.id: new.samples for case, new in cases}
    plan = Plan(
        known,
        list(dict.fromkeys(conditions)),
        list(dict.fromkeys(setups)),
        lambda case: (samples[case.id] / 32768).astype("float32"),
        noises,
        options.seed,
    )
    return plan, problems


def _cases(manifest: Path, language: str) -> tuple[list[tuple[Case, NewCase]], list[AsrError]]:
    from datetime import UTC, datetime

    from asr_core.testbench.cases import Case
    from asr_core.testbench.manifests import find_manifest, read_cases, read_entries

    try:
        if manifest.is_dir():
            names = [str(p.relative_to(manifest)) for p in manifest.rglob("*") if p.is_file()]
            manifest = manifest / find_manifest(names)
        content = manifest.read_bytes()
    except OSError as error:
        raise ManifestError(f"{manifest} cannot be read ({error.strerror}).") from None
    entries = read_entries(manifest.name, content)
    cases: list[tuple[Case, NewCase]] = []
    problems: list[AsrError] = []
    folder = manifest.parent
    for found in read_cases(entries, lambda path: _opened(folder / path), language):
        if isinstance(found, AsrError):
            problems.append(found)
        else:
            case_id = f"{len(cases):06d}"
            cases.append(
                (
                    Case(
                        case_id, found.name, found.said, found.language, found.seconds, found.tags,
                        found.digest, datetime.now(UTC),
                    ),
                    found,
                )
            )  # fmt: skip
    return cases, problems


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise AudioError(
            f"{shortened(str(path), 300)} cannot be read ({error.strerror})."
        ) from None
    except ValueError:  # NUL, or half a character, in a path
        raise AudioError(f"{shortened(str(path), 300)} is no path of a file.") from None


def _write_reports(options: argparse.Namespace, trials: list[Trial]) -> None:
    from asr_core.testbench import report

    def to_html(trials: Sequence[Trial]) -> str:
        return report.to_html(
            trials, f"{options.manifest.name}: {', '.join(options.model or ['base'])}"
        )

    wanted: list[tuple[Path | None, Callable[[Sequence[Trial]], str]]] = [
        (options.csv, report.to_csv),
        (options.json, report.to_json),
        (options.report, to_html),
    ]
    for path, make in wanted:
        if path is not None:
            try:
                path.write_text(plain(make(trials)), encoding="utf-8")
            except OSError as error:
                raise ManifestError(f"{path} cannot be written ({error.strerror}).") from None


def _print_rows(trials: list[Trial], limit_percent: float | None, say: Say) -> bool:
    """Whether every row is within the limit."""
    from asr_core.testbench.report import percent
    from asr_core.testbench.results import by_condition

    passed = True
    print("condition\tmodel\tWER\t95 % interval\tCER\tS/D/I\tinvented\tcases")
    for (condition, setup), row in by_condition(trials).items():
        counts = row.counts
        print(
            plain(str(condition)), plain(setup), percent(row.words.rate),
            f"{percent(row.words.low)} to {percent(row.words.high)}", percent(row.characters),
            f"{counts.substitutions}/{counts.deletions}/{counts.insertions}",
            row.n_invented, row.n_cases, sep="\t",
        )  # fmt: skip
        if limit_percent is not None and 100 * (row.words.rate or 0.0) > limit_percent:
            passed = False
            say(f"{condition}, {setup}: {percent(row.words.rate)} is above {limit_percent:g} %.")
    return passed
