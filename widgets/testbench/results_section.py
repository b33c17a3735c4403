"""Results section: where does a model fail, and for whom?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from asr_core.audio.encode import to_flac
from asr_core.audio.pcm import to_int16
from asr_core.evaluation import charts, report
from asr_core.evaluation.results import (
    Summary,
    collect_tags,
    count_confusions,
    measure_calibration,
    rank_worst,
    summarise_by_condition,
    summarise_by_tag,
    summarise_curves,
)
from asr_core.evaluation.runner import build_plan
from asr_core.evaluation.store import Run, Store
from asr_core.evaluation.trial import Trial
from widgets.flagging import flag_trial
from widgets.markdown import escape_markdown
from widgets.testbench.pickers import filter_by_tags, paginate, select_in_url
from widgets.testbench.store_access import show_errors
from widgets.testbench.word_diff import word_diff

__all__ = ["choose_run", "results_section", "run_label"]

_TRIALS_PER_PAGE = 8
_MAX_VALUES = 50  # of a tag in a readable chart


def run_label(run: Run) -> str:
    """Return a run's unique label in pickers and in the URL."""
    return f"{run.name} · {run.id[:6]}"


def choose_run(store: Store) -> Run | None:
    """Draw the picker of runs with results and return the choice; None if there are none."""
    runs = {run_label(run): run for run in store.runs() if run.n_done}
    if not runs:
        st.info("No results yet. Start a run under *Runs*.")
        return None
    wanted = st.session_state.pop("open-run", None)
    for label, run in runs.items():
        if run.id == wanted:
            st.session_state["run"] = label
    return runs[select_in_url("Run", list(runs), "run")]


def results_section(store: Store) -> None:
    """Draw everything about one run."""
    run = choose_run(store)
    if run is None:
        return
    with show_errors():
        trials = _filtered(store.trials(run))
        if not trials:
            st.info("No trials match these filters.")
            return
        _summary(Summary.of(trials), run)
        _by_condition(trials)
        _by_tag(trials)
        _curves(trials)
        _calibration(trials)
        _confusions(trials)
        _worst(store, run, trials)
        _exports(run, trials)


def _filtered(trials: list[Trial]) -> list[Trial]:
    """Draw the filters, which the URL carries, and return the trials that match."""
    models = list(dict.fromkeys(trial.system.title for trial in trials))
    conditions = {t.condition.title: None for t in trials}
    with st.expander("Filters", icon=":material/filter_alt:"):
        only_models = st.multiselect("Models", models, key="model-is", bind="query-params")
        only_conditions = st.multiselect(
            "Conditions", list(conditions), key="condition-is", bind="query-params"
        )
        tagged = filter_by_tags(trials, lambda trial: trial.tags, "Tags", "tag-is")
    return [
        t
        for t in tagged
        if (not only_models or t.system.title in only_models)
        and (not only_conditions or t.condition.title in only_conditions)
    ]


def _summary(row: Summary, run: Run) -> None:
    if run.n_done < run.n_trials:
        st.warning(f"So far {run.n_done} of {run.n_trials} trials.", icon=":material/hourglass:")
    words, latency = row.words, row.latency_s
    cells = st.columns(4)
    cells[0].metric(
        "Word error rate", report.percent(words.rate),
        help="Substitutions, deletions and insertions per reference word, in normalised texts: without "
        "case and punctuation, with each digit of a number as a word.",
    )  # fmt: skip
    cells[1].metric("Character error rate", report.percent(row.characters))
    cells[2].metric(
        "Hallucinated words",
        row.n_hallucinated,
        help="Words where nothing was said, or three or more inserted in a row.",
    )
    speed = row.real_time_factor
    cells[3].metric(
        "Real-time factor", "–" if speed is None else f"{speed:.2f}",
        help="Processing time per second of audio, on a machine that may run other work.",
    )  # fmt: skip
    counts = row.counts
    st.caption(
        f"95 % interval of the word error rate {report.percent(words.low)} to {report.percent(words.high)} "
        f"· {counts.substitutions} substitutions, {counts.deletions} deletions, "
        f"{counts.insertions} insertions in {counts.n_reference} words · not normalised {report.percent(row.raw_rate)} · "
        f"{row.n_cases} recordings, {row.n_trials} trials"
        + (f", {row.n_failed} failed" if row.n_failed else "")
        + (
            f" · words final after {latency[0]:.1f} s (95th percentile {latency[1]:.1f} s)"
            if latency
            else ""
        )
    )


def _by_condition(trials: Sequence[Trial]) -> None:
    rows = summarise_by_condition(trials)
    st.altair_chart(charts.condition_heatmap(rows), key="heatmap")
    with st.expander("All figures"):
        st.dataframe(
            [
                {"condition": condition.title, "model": system, **report.summary_fields(row)}
                for (condition, system), row in rows.items()
            ],
            hide_index=True,
        )


def _by_tag(trials: Sequence[Trial]) -> None:
    tags = list(collect_tags(trials))
    if not tags:
        st.caption("Tag recordings, for example with an accent, to see for whom the model fails.")
        return
    usual = tags.index("accent") if "accent" in tags else 0
    tag = select_in_url("Errors by", tags, "by", usual)
    times = Counter(trial.tags[tag] for trial in trials if tag in trial.tags)
    kept = dict(times.most_common(_MAX_VALUES))
    if len(times) > len(kept):
        st.caption(f"The {len(kept)} most frequent of {len(times)} values.")
    rows = summarise_by_tag([trial for trial in trials if trial.tags.get(tag) in kept], tag)
    st.altair_chart(charts.tag_chart(rows, tag), key="tags")


def _curves(trials: Sequence[Trial]) -> None:
    kinds = report.curve_kinds(trials)
    points = summarise_curves(trials, kinds)
    for kind in kinds:
        st.altair_chart(charts.curve_chart(points, kind), key=f"curve-{kind}")


def _calibration(trials: Sequence[Trial]) -> None:
    found = measure_calibration(trials)
    if found.error is None:
        return
    st.altair_chart(charts.calibration_chart(found), key="calibration")
    st.caption(
        f"Confidence and accuracy differ by {report.percent(found.error)} on average. Below the line "
        "the model is overconfident."
    )


def _confusions(trials: Sequence[Trial]) -> None:
    found = count_confusions(trials)
    if not found:
        return
    st.subheader("Most frequent confusions", anchor=False)
    st.dataframe(
        [
            {
                "Reference": c.reference,
                "Hypothesis": c.hypothesis,
                "Count": c.count,
                "Recordings": ", ".join(c.cases[:3]),
            }
            for c in found
        ],
        hide_index=True,
    )


def _worst(store: Store, run: Run, trials: Sequence[Trial]) -> None:
    st.subheader("Worst results", anchor=False)
    wrong = [t for t in rank_worst(trials) if t.score.words.errors or t.result.error]
    if not wrong:
        st.success("Everything was recognised correctly.")
        return
    plan = build_plan(run, store)
    cases = {case.id: case for case in plan.cases}
    for trial in paginate(wrong, _TRIALS_PER_PAGE, "worst-page"):
        with st.container(border=True):
            tags = " · ".join(f"{tag}: {value}" for tag, value in trial.tags.items())
            about = f"{trial.name} · {trial.condition.title} · {trial.system.title}"
            st.markdown(
                f"**{report.percent(trial.score.words.rate)}** · {escape_markdown(about)}"
                + (f"  \n{escape_markdown(tags)}" if tags else "")
            )
            if trial.result.error:
                st.error(escape_markdown(trial.result.error))
            word_diff(trial)
            with show_errors():
                samples = to_int16(plan.audio(cases[trial.case_id], trial.condition))
                st.audio(to_flac(samples), format="audio/flac")
                key = f"{trial.case_id}-{trial.condition}-{run.systems.index(trial.system)}"
                flag_trial(store, key, trial, samples)


def _exports(run: Run, trials: Sequence[Trial]) -> None:
    st.subheader("Export", anchor=False)
    row = st.container(horizontal=True)
    for label, extension, mime, make in (
        ("CSV", "csv", "text/csv", lambda: report.to_csv(trials)),
        ("JSON", "json", "application/json", lambda: report.to_json(trials)),
        ("Report", "html", "text/html", lambda: report.to_html(trials, run.name)),
    ):
        row.download_button(
            label, make, f"{run.name}.{extension}", mime, key=f"export-{extension}",
            on_click="ignore", icon=":material/download:",
        )  # fmt: skip
