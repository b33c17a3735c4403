"""A run's results, read: where does the model fail, and on whom?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from asr_core.audio.encode import to_flac, to_int16
from asr_core.testbench import charts, report
from asr_core.testbench.results import (
    Row,
    by_condition,
    by_tag,
    calibration,
    confusions,
    curves,
    tags_of,
    worst,
)
from asr_core.testbench.runner import plan_of
from asr_core.testbench.store import Run, Store
from asr_core.testbench.trial import Trial
from widgets.flagging import flag_trial
from widgets.testbench.opened import saying_errors
from widgets.testbench.pickers import chosen_in_url, page_of, with_tags
from widgets.testbench.word_diff import word_diff
from widgets.texts import as_written

__all__ = ["chosen_run", "results_section", "run_label"]

_PER_PAGE = 8
_MOST_VALUES = 50  # of a tag, in a chart that can be read


def run_label(run: Run) -> str:
    """What a run is called in pickers and in the URL; unlike any other."""
    return f"{run.name} · {run.id[:6]}"


def chosen_run(store: Store) -> Run | None:
    """Draw the picker over runs that have results."""
    runs = {run_label(run): run for run in store.runs() if run.n_done}
    if not runs:
        st.info("No results yet: start a run under *Runs*.")
        return None
    wanted = st.session_state.pop("open-run", None)
    for label, run in runs.items():
        if run.id == wanted:
            st.session_state["run"] = label
    return runs[chosen_in_url("Run", list(runs), "run")]


def results_section(store: Store) -> None:
    """Draw everything about one run."""
    run = chosen_run(store)
    if run is None:
        return
    with saying_errors():
        trials = _filtered(store.trials(run))
        if not trials:
            st.info("Nothing is left with these filters.")
            return
        _summary(Row.of(trials), run)
        _by_condition(trials)
        _by_tag(trials)
        _curves(trials)
        _calibration(trials)
        _confusions(trials)
        _worst(store, run, trials)
        _exports(run, trials)


def _filtered(trials: list[Trial]) -> list[Trial]:
    """Filters stand in the URL, so that a view can be sent to a colleague."""
    models = list(dict.fromkeys(trial.setup.title for trial in trials))
    conditions = {t.condition.title: None for t in trials}
    with st.expander("Filters", icon=":material/filter_alt:"):
        only_models = st.multiselect("Models", models, key="model-is", bind="query-params")
        only_conditions = st.multiselect(
            "Conditions", list(conditions), key="condition-is", bind="query-params"
        )
        tagged = with_tags(trials, lambda trial: trial.tags, "Tags", "tag-is")
    return [
        t
        for t in tagged
        if (not only_models or t.setup.title in only_models)
        and (not only_conditions or t.condition.title in only_conditions)
    ]


def _summary(row: Row, run: Run) -> None:
    if run.n_done < run.n_trials:
        st.warning(f"So far {run.n_done} of {run.n_trials} trials.", icon=":material/hourglass:")
    words, latency = row.words, row.latency_s
    cells = st.columns(4)
    cells[0].metric(
        "Word errors", report.percent(words.rate),
        help="Substituted, left out and added words per word said, in the texts as compared: "
        "without case and punctuation, each digit of a number a word.",
    )  # fmt: skip
    cells[1].metric("Character errors", report.percent(row.characters))
    cells[2].metric(
        "Invented words", row.n_invented, help="Where nothing was said, or three and more in a row."
    )
    speed = row.real_time_factor
    cells[3].metric(
        "Real-time factor", "–" if speed is None else f"{speed:.2f}",
        help="Seconds of work per second of audio, beside whatever else ran on the machine.",
    )  # fmt: skip
    counts = row.counts
    st.caption(
        f"95 % interval of word errors {report.percent(words.low)} to {report.percent(words.high)} "
        f"· {counts.substitutions} substituted, {counts.deletions} left out, {counts.insertions} "
        f"added, of {counts.n_said} words · as written {report.percent(row.raw_rate)} · "
        f"{row.n_cases} recordings, {row.n_trials} trials"
        + (f", {row.n_failed} failed" if row.n_failed else "")
        + (f" · words final after {latency[0]:.1f} s (95 %: {latency[1]:.1f} s)" if latency else "")
    )


def _by_condition(trials: Sequence[Trial]) -> None:
    rows = by_condition(trials)
    st.altair_chart(charts.condition_heatmap(rows), key="heatmap")
    with st.expander("All figures"):
        st.dataframe(
            [
                {"condition": condition.title, "model": setup, **report.row_cells(row)}
                for (condition, setup), row in rows.items()
            ],
            hide_index=True,
        )


def _by_tag(trials: Sequence[Trial]) -> None:
    tags = list(tags_of(trials))
    if not tags:
        st.caption("Give recordings tags, such as their accent, to see on whom the model fails.")
        return
    usual = tags.index("accent") if "accent" in tags else 0
    tag = chosen_in_url("Errors by", tags, "by", usual)
    times = Counter(trial.tags[tag] for trial in trials if tag in trial.tags)
    kept = dict(times.most_common(_MOST_VALUES))
    if len(times) > len(kept):
        st.caption(f"The {len(kept)} most frequent of {len(times)} values.")
    rows = by_tag([trial for trial in trials if trial.tags.get(tag) in kept], tag)
    st.altair_chart(charts.tag_chart(rows, tag), key="tags")


def _curves(trials: Sequence[Trial]) -> None:
    kinds = report.curve_kinds(trials)
    points = curves(trials, kinds)
    for kind in kinds:
        st.altair_chart(charts.curve_chart(points, kind), key=f"curve-{kind}")


def _calibration(trials: Sequence[Trial]) -> None:
    found = calibration(trials)
    if found.error is None:
        return
    st.altair_chart(charts.calibration_chart(found), key="calibration")
    st.caption(
        f"Confidence and correctness are {report.percent(found.error)} apart in the mean: below "
        "the line the model believes its words too much."
    )


def _confusions(trials: Sequence[Trial]) -> None:
    found = confusions(trials)
    if not found:
        return
    st.subheader("Most often misheard", anchor=False)
    st.dataframe(
        [
            {"Said": c.said, "Heard": c.heard, "Times": c.count, "In": ", ".join(c.cases[:3])}
            for c in found
        ],
        hide_index=True,
    )


def _worst(store: Store, run: Run, trials: Sequence[Trial]) -> None:
    st.subheader("The worst first", anchor=False)
    wrong = [t for t in worst(trials) if t.score.words.errors or t.heard.error]
    if not wrong:
        st.success("Everything was heard right.")
        return
    plan = plan_of(run, store)
    cases = {case.id: case for case in plan.cases}
    for trial in page_of(wrong, _PER_PAGE, "worst-page"):
        with st.container(border=True):
            tags = " · ".join(f"{tag}: {value}" for tag, value in trial.tags.items())
            about = f"{trial.name} · {trial.condition.title} · {trial.setup.title}"
            st.markdown(
                f"**{report.percent(trial.score.words.rate)}** · {as_written(about)}"
                + (f"  \n{as_written(tags)}" if tags else "")
            )
            if trial.heard.error:
                st.error(as_written(trial.heard.error))
            word_diff(trial)
            with saying_errors():
                samples = to_int16(plan.audio(cases[trial.case_id], trial.condition))
                st.audio(to_flac(samples), format="audio/flac")
                key = f"{trial.case_id}-{trial.condition}-{run.setups.index(trial.setup)}"
                flag_trial(store, key, trial, samples)


def _exports(run: Run, trials: Sequence[Trial]) -> None:
    st.subheader("Take away", anchor=False)
    row = st.container(horizontal=True)
    for label, extension, mime, make in (
        ("CSV", "csv", "text/csv", lambda: report.to_csv(trials)),
        ("JSON", "json", "application/json", lambda: report.to_json(trials)),
        ("Report", "html", "text/html", lambda: report.to_html(trials, run.name)),
    ):
        row.download_button(
            label, make, f"{run.name}.{extension}", mime, key=f"take-{extension}",
            on_click="ignore", icon=":material/download:",
        )  # fmt: skip
