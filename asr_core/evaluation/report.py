"""Reports of a run: CSV, JSON, and one self-contained HTML file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import jinja2

from asr_core.evaluation import charts
from asr_core.evaluation.alignment import align
from asr_core.evaluation.metrics import normaliser
from asr_core.evaluation.results import (
    Summary,
    collect_tags,
    count_confusions,
    curve_kinds,
    measure_calibration,
    rank_worst,
    summarise_by_condition,
    summarise_by_tag,
    summarise_curves,
)
from asr_core.evaluation.trial import Trial
from asr_core.transcript import join_words

__all__ = ["curve_kinds", "percent", "summary_fields", "to_csv", "to_html", "to_json"]

_N_WORST = 30


def percent(rate: float | None) -> str:
    """Return ``rate`` as a percentage for display; a dash for None."""
    return "–" if rate is None else f"{100 * rate:.1f} %"


def _cells(trial: Trial) -> dict[str, Any]:
    score = trial.score
    normalise = normaliser(trial.language)
    return {
        "case": trial.name,
        "condition": str(trial.condition),
        "model": trial.system.title,
        "reference": trial.reference,
        "hypothesis": trial.text,
        "reference_normalised": normalise(trial.reference),
        "hypothesis_normalised": normalise(trial.text),
        "language": trial.language,
        "words": score.words.n_reference,
        "substitutions": score.words.substitutions,
        "deletions": score.words.deletions,
        "insertions": score.words.insertions,
        "wer": score.words.rate,
        "cer": score.characters.rate,
        "raw_wer": score.raw_words.rate,
        "hallucinated_words": score.n_hallucinated,
        "audio_s": round(trial.result.audio_s, 3),
        "took_s": round(trial.result.processing_s, 3),
        "error": trial.result.error,
    }


def to_csv(trials: Sequence[Trial]) -> str:
    """Return one row per trial, with a column for each tag."""
    tags = list(collect_tags(trials))
    rows = [{**_cells(t), **{f"tag:{tag}": t.tags.get(tag, "") for tag in tags}} for t in trials]
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _plain(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _plain(value: Any) -> Any:
    """Return a cell whose text no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t" and value else value


def to_json(trials: Sequence[Trial], left_out: Sequence[str] = ()) -> str:
    """Return the summary and all trials, word by word.

    Args:
        trials: of the run.
        left_out: sentences on rows of the set that were not used.
    """
    rows = [
        {
            **_cells(trial),
            "system": trial.system.to_dict(),
            "tags": dict(trial.tags),
            "latencies": list(trial.result.latencies),
            "word_times": [[w.text, w.start, w.end, w.probability] for w in trial.result.words],
        }
        for trial in trials
    ]
    summary = [
        {"condition": str(condition), "model": system, **summary_fields(row)}
        for (condition, system), row in summarise_by_condition(trials).items()
    ]
    everything = {"summary": summary, "left_out": list(left_out), "trials": rows}
    return json.dumps(everything, ensure_ascii=False, indent=1)


def summary_fields(row: Summary) -> dict[str, Any]:
    """Return the figures of a summary by column name."""
    return {
        "cases": row.n_cases,
        "cases_without_words": row.wordless.n_cases,
        "words": row.counts.n_reference,
        "wer": row.words.rate,
        "wer_low": row.words.low,
        "wer_high": row.words.high,
        "cer": row.characters,
        "raw_wer": row.raw_rate,
        "substitutions": row.counts.substitutions,
        "deletions": row.counts.deletions,
        "insertions": row.counts.insertions,
        "hallucinated_words": row.n_hallucinated,
        "real_time_factor": row.real_time_factor,
        "latency_p50_s": row.latency_s[0] if row.latency_s else None,
        "latency_p95_s": row.latency_s[1] if row.latency_s else None,
        "failed": row.n_failed,
    }


def to_html(trials: Sequence[Trial], title: str, left_out: Sequence[str] = ()) -> str:
    """Return one page with tables, charts (as SVG) and the worst cases; no scripts, no requests.

    Args:
        trials: of the run.
        title: of the page.
        left_out: sentences on rows of the set that were not used.
    """
    rows = summarise_by_condition(trials)
    drawn = [charts.condition_heatmap(rows)]
    drawn += [charts.tag_chart(summarise_by_tag(trials, tag), tag) for tag in collect_tags(trials)]
    kinds = curve_kinds(trials)
    points = summarise_curves(trials, kinds)
    drawn += [charts.curve_chart(points, kind) for kind in kinds]
    known = measure_calibration(trials)
    drawn += [charts.calibration_chart(known)] if known.bins else []
    return _template().render(
        title=title,
        left_out=left_out,
        rows=[(condition.title, system, row) for (condition, system), row in rows.items()],
        plots=[_svg(chart) for chart in drawn],
        calibration_error=known.error,
        worst=[
            (trial, align(trial.reference, trial.result.words, trial.language))
            for trial in rank_worst(trials, _N_WORST)
            if trial.score.words.errors or trial.result.error
        ],
        confusions=count_confusions(trials),
        normaliser=normaliser,
        join_words=join_words,
        percent=percent,
    )


def _svg(chart: alt.LayerChart) -> str:
    import vl_convert

    wide = chart.properties(width=560)
    return str(vl_convert.vegalite_to_svg(wide.to_dict()))


def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("asr_core.evaluation", ".")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True)
    return environment.get_template("report.html")
