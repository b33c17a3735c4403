"""A run to take away: CSV, JSON, and one HTML file that opens without a network."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import jinja2

from asr_core.testbench import charts
from asr_core.testbench.alignment import aligned
from asr_core.testbench.results import (
    Row,
    by_condition,
    by_tag,
    calibration,
    confusions,
    curve_kinds,
    curves,
    tags_of,
    worst,
)
from asr_core.testbench.scores import normaliser
from asr_core.testbench.trial import Trial
from asr_core.transcript import join_words

__all__ = ["curve_kinds", "percent", "row_cells", "to_csv", "to_html", "to_json"]

_N_WORST = 30


def percent(rate: float | None) -> str:
    """For people."""
    return "–" if rate is None else f"{100 * rate:.1f} %"


def _cells(trial: Trial) -> dict[str, Any]:
    score = trial.score
    normalise = normaliser(trial.language)
    return {
        "case": trial.name,
        "condition": str(trial.condition),
        "model": trial.setup.title,
        "said": trial.said,
        "heard": trial.text,
        "said_normalised": normalise(trial.said),
        "heard_normalised": normalise(trial.text),
        "language": trial.language,
        "words": score.words.n_said,
        "substitutions": score.words.substitutions,
        "deletions": score.words.deletions,
        "insertions": score.words.insertions,
        "wer": score.words.rate,
        "cer": score.characters.rate,
        "raw_wer": score.raw_words.rate,
        "invented_words": score.n_invented,
        "audio_s": round(trial.heard.audio_s, 3),
        "took_s": round(trial.heard.took_s, 3),
        "error": trial.heard.error,
    }


def to_csv(trials: Sequence[Trial]) -> str:
    """A line a trial, with a column for each tag."""
    tags = list(tags_of(trials))
    rows = [{**_cells(t), **{f"tag:{tag}": t.tags.get(tag, "") for tag in tags}} for t in trials]
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _plain(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _plain(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t" and value else value


def to_json(trials: Sequence[Trial], left_out: Sequence[str] = ()) -> str:
    """Everything, word by word; ``left_out`` says which rows of the set were not heard."""
    rows = [
        {
            **_cells(trial),
            "setup": trial.setup.to_dict(),
            "tags": dict(trial.tags),
            "latencies": list(trial.heard.latencies),
            "word_times": [[w.text, w.start, w.end, w.probability] for w in trial.heard.words],
        }
        for trial in trials
    ]
    summary = [
        {"condition": str(condition), "model": setup, **row_cells(row)}
        for (condition, setup), row in by_condition(trials).items()
    ]
    everything = {"summary": summary, "left_out": list(left_out), "trials": rows}
    return json.dumps(everything, ensure_ascii=False, indent=1)


def row_cells(row: Row) -> dict[str, Any]:
    """The figures of a row, for tables."""
    return {
        "cases": row.n_cases,
        "cases_without_words": row.wordless.n_cases,
        "words": row.counts.n_said,
        "wer": row.words.rate,
        "wer_low": row.words.low,
        "wer_high": row.words.high,
        "cer": row.characters,
        "raw_wer": row.raw_rate,
        "substitutions": row.counts.substitutions,
        "deletions": row.counts.deletions,
        "insertions": row.counts.insertions,
        "invented_words": row.n_invented,
        "real_time_factor": row.real_time_factor,
        "latency_p50_s": row.latency_s[0] if row.latency_s else None,
        "latency_p95_s": row.latency_s[1] if row.latency_s else None,
        "failed": row.n_failed,
    }


def to_html(trials: Sequence[Trial], title: str, left_out: Sequence[str] = ()) -> str:
    """One page with tables, plots (as SVG) and the worst cases; no script, no network.

    Args:
        left_out: which rows of the set were not heard, and why.
    """
    rows = by_condition(trials)
    drawn = [charts.condition_heatmap(rows)]
    drawn += [charts.tag_chart(by_tag(trials, tag), tag) for tag in tags_of(trials)]
    kinds = curve_kinds(trials)
    points = curves(trials, kinds)
    drawn += [charts.curve_chart(points, kind) for kind in kinds]
    known = calibration(trials)
    drawn += [charts.calibration_chart(known)] if known.bins else []
    return _template().render(
        title=title,
        left_out=left_out,
        rows=[(condition.title, setup, row) for (condition, setup), row in rows.items()],
        plots=[_svg(chart) for chart in drawn],
        calibration_error=known.error,
        worst=[
            (trial, aligned(trial.said, trial.heard.words, trial.language))
            for trial in worst(trials, _N_WORST)
            if trial.score.words.errors or trial.heard.error
        ],
        confusions=confusions(trials),
        normaliser=normaliser,
        join_words=join_words,
        percent=percent,
    )


def _svg(chart: alt.LayerChart) -> str:
    import vl_convert

    wide = chart.properties(width=560)
    return str(vl_convert.vegalite_to_svg(wide.to_dict()))


def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("asr_core.testbench", ".")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True)
    return environment.get_template("report.html")
