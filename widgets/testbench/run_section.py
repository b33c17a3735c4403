"""Runs: put together, watched, cancelled, resumed."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from asr_core.models import NOT_OFFERED
from asr_core.testbench.runner import Runner, RunState, runner_of
from asr_core.testbench.store import Run, Store
from asr_core.testbench.trial import MODES, Setup
from widgets.settings import current_settings, offered
from widgets.testbench.condition_picker import chosen_conditions, own_noises, preview
from widgets.testbench.opened import saying_errors
from widgets.testbench.pickers import page_of, with_tags
from widgets.texts import as_written
from widgets.typed import KEPT, typed

__all__ = ["run_section"]

_PER_PAGE = 20


def run_section(store: Store) -> None:
    """Draw the form for a new run, and the runs below."""
    cases = store.cases()
    if not cases:
        st.info("A run needs recordings: add some under *Cases*.")
    else:
        with st.container(border=True):
            st.subheader("New run", anchor=False)
            chosen = with_tags(cases, lambda case: case.tags, "Only with", "run-with")
            conditions = chosen_conditions(store)
            left, right = st.columns(2)
            with left.popover("Hear the conditions", icon=":material/hearing:", width="stretch"):
                preview(store, chosen)
            with right.popover("Noises of your own", icon=":material/add:", width="stretch"):
                own_noises(store)
            setups = _chosen_setups()
            run = _named(len(chosen), len(conditions), setups)
            n_trials = len(chosen) * len(conditions) * len(setups)
            seconds = sum(case.seconds for case in chosen) * len(conditions) * len(setups)
            st.caption(
                f"{_counted(len(chosen), 'recording')} × {_counted(len(conditions), 'condition')}"
                f" × {_counted(len(setups), 'model')} = {_counted(n_trials, 'trial')}, "
                f"{seconds / 60:.0f} minutes of audio. "
                "The results are stored, with the words that were heard."
            )
            if st.button(
                "Start and store the results", type="primary", disabled=not n_trials,
                icon=":material/play_arrow:",
            ):  # fmt: skip
                with saying_errors():
                    ids = [case.id for case in reversed(chosen)]
                    started = store.add_run(run, ids, conditions, setups)
                    runner_of(store).start(started, store.actor)
                    st.rerun()
    _watched(store)


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _chosen_setups() -> list[Setup]:
    offer = offered()
    usual = [current_settings().model] if current_settings().model else []
    models = st.multiselect(
        "Models", list(dict.fromkeys([*usual, *offer.names])), usual, key="run-models",
        persist_state=KEPT,
        accept_new_options=offer.is_open,
        help="Catalogue names, hub ids or directories." if offer.is_open else None,
    )  # fmt: skip
    if not all(offer.is_open or model in offer.names for model in models):
        st.error(NOT_OFFERED, icon=":material/error:")
        return []
    modes = st.pills(
        "Mode", MODES, selection_mode="multi", default=MODES[0], key="run-modes", persist_state=KEPT
    )
    with st.expander("Decoding"):
        detects = st.toggle(
            "Let the model find the language", key="run-detects", persist_state=KEPT,
            help="Otherwise it is told the language of each recording.",
        )  # fmt: skip
        greedy = st.toggle(
            "Compare with greedy decoding",
            key="run-greedy",
            help="Full context.",
            persist_state=KEPT,
        )
        prompt = st.text_input(
            "Names and terms", key=typed("run-prompt"), help="Full context.", max_chars=1000,
            persist_state=KEPT,
        )  # fmt: skip
    setups = []
    for model in models:
        for mode in modes:
            whole = mode == "full context"
            terms = prompt.strip() if whole else ""
            setups.append(Setup(model, "auto", mode, detects, terms))
            if greedy and whole:
                setups.append(Setup(model, "auto", mode, detects, terms, beam_size=1))
    return list(dict.fromkeys(setups))


def _named(n_cases: int, n_conditions: int, setups: list[Setup]) -> str:
    models = ", ".join(dict.fromkeys(setup.model.rsplit("/", 1)[-1] for setup in setups))
    usual = f"{models}, {n_cases} × {n_conditions}"
    name = st.text_input(
        "Name", placeholder=usual, key=typed("run-name"), max_chars=200, persist_state=KEPT
    )
    return name.strip() or usual


def _watched(store: Store) -> None:
    runner = runner_of(store)
    busy = any(runner.state(run) in (RunState.RUNNING, RunState.WAITING) for run in store.runs())
    st.fragment(run_every=1.0 if busy else None)(_runs)(store, runner, busy)


def _runs(store: Store, runner: Runner, was_busy: bool) -> None:
    with saying_errors():
        _drawn_runs(store, runner, was_busy)


def _drawn_runs(store: Store, runner: Runner, was_busy: bool) -> None:
    runs = store.runs()
    states = [runner.state(run) for run in runs]
    busy = any(state in (RunState.RUNNING, RunState.WAITING) for state in states)
    if busy != was_busy:
        st.rerun()
    for run, state in page_of(list(zip(runs, states, strict=True)), _PER_PAGE, "runs-page"):
        _run(store, runner, run, state)


def _run(store: Store, runner: Runner, run: Run, state: RunState) -> None:
    with st.container(border=True):
        st.markdown(f"**{as_written(run.name)}**")
        share = run.n_done / run.n_trials if run.n_trials else 1.0
        about = f"{run.n_done} of {run.n_trials} trials · {_when(run.created_at)}"
        if state is RunState.DONE:
            st.caption(f"Done · {about}")
        else:
            st.progress(min(share, 1.0), f"{state.value.capitalize()} · {about}")
        error = runner.error(run.id)
        if error:
            st.error(as_written(error), icon=":material/error:")
        row = st.container(horizontal=True)
        is_theirs = store.actor.may_delete(run.owner)
        if state in (RunState.RUNNING, RunState.WAITING):
            if is_theirs and row.button("Cancel", key=f"cancel-{run.id}", icon=":material/close:"):
                with saying_errors():
                    runner.cancel(run, store.actor)
                    st.rerun()
        elif (
            is_theirs
            and state is not RunState.DONE
            and row.button("Resume", key=f"resume-{run.id}", icon=":material/play_arrow:")
        ):
            with saying_errors():
                runner.start(run, store.actor)
                st.rerun()
        if run.n_done and row.button("Results", key=f"see-{run.id}", icon=":material/monitoring:"):
            st.session_state["open-run"] = run.id
            st.rerun()
        if is_theirs and row.button("Delete", key=f"drop-{run.id}", icon=":material/delete:"):
            with saying_errors():
                runner.cancel(run, store.actor)
                store.delete_run(run.id)
                st.rerun()


def _when(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
