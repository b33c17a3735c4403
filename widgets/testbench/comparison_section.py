"""Compare section: is one result significantly better than another?"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from asr_core.audio.encode import to_flac
from asr_core.audio.pcm import to_int16
from asr_core.evaluation.conditions import Condition
from asr_core.evaluation.experiment import Plan
from asr_core.evaluation.metrics import Difference
from asr_core.evaluation.report import percent
from asr_core.evaluation.results import TrialPair, compare, pair_trials
from asr_core.evaluation.runner import build_plan
from asr_core.evaluation.store import Run, Store
from asr_core.evaluation.trial import SystemConfig, Trial
from widgets.markdown import escape_markdown
from widgets.testbench.pickers import select_in_url
from widgets.testbench.results_section import run_label
from widgets.testbench.store_access import show_errors
from widgets.testbench.word_diff import word_diff

__all__ = ["comparison_section"]

_N_SHOWN = 10


def comparison_section(store: Store) -> None:
    """Draw the two pickers and the differences."""
    sides = {
        f"{system.title} · {run_label(run)}": (run, system)
        for run in store.runs()
        if run.n_done
        for system in run.systems
    }
    if len(sides) < 2:
        st.info("A comparison needs two results: a run with two models, or two runs.")
        return
    labels = list(sides)
    first = select_in_url("From", labels, "compare-from", 1)
    second = select_in_url("To", labels, "compare-to", 0)
    if first == second:
        st.info("Choose two different results.")
        return
    with show_errors():
        pairs = pair_trials(_trials(store, *sides[first]), _trials(store, *sides[second]))
        if not pairs:
            st.info("These two results have no recording and condition in common.")
            return
        _draw_verdicts(compare(pairs))
        _draw_changes(pairs, build_plan(sides[second][0], store))


def _trials(store: Store, run: Run, system: SystemConfig) -> list[Trial]:
    return [trial for trial in store.trials(run) if trial.system == system]


def _draw_verdicts(found: dict[Condition | None, Difference]) -> None:
    overall = found.get(None)
    if overall is None:
        st.info("The recordings they have in common contain no speech.")
        return
    sentence = {
        "better": ("Better", st.success),
        "worse": ("Worse", st.error),
        "same": ("No significant difference", st.info),
    }
    text, draw = sentence[overall.verdict]
    draw(f"{text}: {_points(overall.points)} word error rate (95 % interval {_interval(overall)}).")
    st.dataframe(
        [
            {
                "Condition": "All" if condition is None else condition.title,
                "Difference": _points(each.points),
                "95 % interval": _interval(each),
                "Verdict": each.verdict,
            }
            for condition, each in found.items()
        ],
        hide_index=True,
    )
    st.caption(
        "Paired bootstrap over the recordings. Below zero the second makes fewer errors; "
        "*same* means that the interval contains zero."
    )


def _points(rate: float) -> str:
    return f"{100 * rate:+.1f} points"


def _interval(each: Difference) -> str:
    return f"{100 * each.low:+.1f} to {100 * each.high:+.1f}"


def _draw_changes(pairs: Sequence[TrialPair], plan: Plan) -> None:
    worse = [pair for pair in pairs if pair.errors > 0]
    better = [pair for pair in reversed(pairs) if pair.errors < 0]
    n_same = len(pairs) - len(worse) - len(better)
    st.caption(f"{len(better)} better, {len(worse)} worse, {n_same} unchanged.")
    for title, some in (("Became worse", worse), ("Became better", better)):
        if some:
            with st.expander(f"{title} ({len(some)})"):
                for pair in some[:_N_SHOWN]:
                    _draw_change(pair, plan)


def _draw_change(pair: TrialPair, plan: Plan) -> None:
    first, second = pair.first.score.words.rate, pair.second.score.words.rate
    about = escape_markdown(f"{pair.first.name} · {pair.first.condition.title}")
    st.markdown(f"**{about}**: {percent(first)} → {percent(second)}")
    for trial in (pair.first, pair.second):
        st.caption(escape_markdown(trial.system.title))
        word_diff(trial)
    case = next(case for case in plan.cases if case.id == pair.second.case_id)
    with show_errors():
        st.audio(to_flac(to_int16(plan.audio(case, pair.second.condition))), format="audio/flac")
