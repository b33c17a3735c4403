"""Two results beside each other: is the second better?"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from asr_core.audio.encode import to_flac, to_int16
from asr_core.testbench.conditions import Condition
from asr_core.testbench.report import percent
from asr_core.testbench.results import Change, changes, compared
from asr_core.testbench.runner import plan_of
from asr_core.testbench.scores import Difference
from asr_core.testbench.store import Run, Store
from asr_core.testbench.trial import Setup, Trial
from asr_core.testbench.trials import Plan
from widgets.testbench.opened import saying_errors
from widgets.testbench.pickers import chosen_in_url
from widgets.testbench.results_section import run_label
from widgets.testbench.word_diff import word_diff
from widgets.texts import as_written

__all__ = ["comparison_section"]

_N_SHOWN = 10


def comparison_section(store: Store) -> None:
    """Draw the two pickers and what differs."""
    sides = {
        f"{setup.title} · {run_label(run)}": (run, setup)
        for run in store.runs()
        if run.n_done
        for setup in run.setups
    }
    if len(sides) < 2:
        st.info("Comparing needs two results: a run with two models, or two runs.")
        return
    labels = list(sides)
    first = chosen_in_url("From", labels, "compare-from", 1)
    second = chosen_in_url("To", labels, "compare-to", 0)
    if first == second:
        st.info("Choose two different ones.")
        return
    with saying_errors():
        pairs = changes(_trials(store, *sides[first]), _trials(store, *sides[second]))
        if not pairs:
            st.info("These two have no recording and condition in common.")
            return
        _verdicts(compared(pairs))
        _changed(pairs, plan_of(sides[second][0], store))


def _trials(store: Store, run: Run, setup: Setup) -> list[Trial]:
    return [trial for trial in store.trials(run) if trial.setup == setup]


def _verdicts(found: dict[Condition | None, Difference]) -> None:
    overall = found.get(None)
    if overall is None:
        st.info("Nothing was said in what they have in common.")
        return
    sentence = {
        "better": ("It is better", st.success),
        "worse": ("It is worse", st.error),
        "same": ("No difference that this test set can show", st.info),
    }
    text, draw = sentence[overall.verdict]
    draw(
        f"{text}: {_points(overall.points)} word errors ({_between(overall)} with 95 % certainty)."
    )
    st.dataframe(
        [
            {
                "Condition": "All" if condition is None else condition.title,
                "Difference": _points(each.points),
                "95 % interval": _between(each),
                "Verdict": each.verdict,
            }
            for condition, each in found.items()
        ],
        hide_index=True,
    )
    st.caption(
        "Paired bootstrap over the recordings. Below zero the second makes fewer errors; "
        "*same* where the interval holds zero."
    )


def _points(rate: float) -> str:
    return f"{100 * rate:+.1f} points"


def _between(each: Difference) -> str:
    return f"{100 * each.low:+.1f} to {100 * each.high:+.1f}"


def _changed(pairs: Sequence[Change], plan: Plan) -> None:
    worse = [pair for pair in pairs if pair.errors > 0]
    better = [pair for pair in reversed(pairs) if pair.errors < 0]
    n_same = len(pairs) - len(worse) - len(better)
    st.caption(f"{len(better)} better, {len(worse)} worse, {n_same} with as many errors.")
    for title, some in (("Became worse", worse), ("Became better", better)):
        if some:
            with st.expander(f"{title} ({len(some)})"):
                for pair in some[:_N_SHOWN]:
                    _change(pair, plan)


def _change(pair: Change, plan: Plan) -> None:
    first, second = pair.first.score.words.rate, pair.second.score.words.rate
    about = as_written(f"{pair.first.name} · {pair.first.condition.title}")
    st.markdown(f"**{about}**: {percent(first)} → {percent(second)}")
    for trial in (pair.first, pair.second):
        st.caption(as_written(trial.setup.title))
        word_diff(trial)
    case = next(case for case in plan.cases if case.id == pair.second.case_id)
    with saying_errors():
        st.audio(to_flac(to_int16(plan.audio(case, pair.second.condition))), format="audio/flac")
