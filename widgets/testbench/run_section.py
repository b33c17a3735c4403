"""Runs section: start, watch, cancel and resume runs."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from asr_core.evaluation.runner import Runner, RunState, get_runner
from asr_core.evaluation.store import Run, Store
from asr_core.evaluation.trial import MODES, Mode, SystemConfig
from asr_core.models import NOT_OFFERED
from widgets.markdown import escape_markdown
from widgets.settings import current_settings, offered_models
from widgets.testbench.condition_picker import choose_conditions, noise_library, preview
from widgets.testbench.pickers import filter_by_tags, paginate
from widgets.testbench.store_access import show_errors
from widgets.text_fields import PERSIST, field_key

__all__ = ["run_section"]

_RUNS_PER_PAGE = 20


def run_section(store: Store) -> None:
    """Draw the form for a new run and the list of runs."""
    cases = store.cases()
    if not cases:
        st.info("A run needs recordings. Add some under *Cases*.")
    else:
        with st.container(border=True):
            st.subheader("New run", anchor=False)
            chosen = filter_by_tags(cases, lambda case: case.tags, "Filter by tag", "run-with")
            conditions = choose_conditions(store)
            left, right = st.columns(2)
            with left.popover("Preview conditions", icon=":material/hearing:", width="stretch"):
                preview(store, chosen)
            with right.popover("Your noises", icon=":material/add:", width="stretch"):
                noise_library(store)
            systems = _choose_systems()
            run = _choose_name(len(chosen), len(conditions), systems)
            n_trials = len(chosen) * len(conditions) * len(systems)
            seconds = sum(case.seconds for case in chosen) * len(conditions) * len(systems)
            st.caption(
                f"{_plural(len(chosen), 'recording')} × {_plural(len(conditions), 'condition')}"
                f" × {_plural(len(systems), 'model')} = {_plural(n_trials, 'trial')}, "
                f"{seconds / 60:.0f} minutes of audio. "
                "The results are stored together with the recognised words."
            )
            if st.button(
                "Start and store the results", type="primary", disabled=not n_trials,
                icon=":material/play_arrow:",
            ):  # fmt: skip
                with show_errors():
                    ids = [case.id for case in reversed(chosen)]
                    started = store.add_run(run, ids, conditions, systems)
                    get_runner(store).start(started, store.actor)
                    st.rerun()
    _draw_run_list(store)


def _plural(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _choose_systems() -> list[SystemConfig]:
    offer = offered_models()
    usual = [current_settings().model] if current_settings().model else []
    models = st.multiselect(
        "Models", list(dict.fromkeys([*usual, *offer.names])), usual, key="run-models",
        persist_state=PERSIST,
        accept_new_options=offer.is_open,
        help="Catalogue names, hub IDs or directories." if offer.is_open else None,
    )  # fmt: skip
    if not all(offer.is_open or model in offer.names for model in models):
        st.error(NOT_OFFERED, icon=":material/error:")
        return []
    modes: list[Mode] = st.pills(
        "Mode",
        MODES,
        selection_mode="multi",
        default=MODES[0],
        key="run-modes",
        persist_state=PERSIST,
    )
    with st.expander("Decoding"):
        detects = st.toggle(
            "Detect the language", key="run-detects", persist_state=PERSIST,
            help="Otherwise the model is given the language of each recording.",
        )  # fmt: skip
        greedy = st.toggle(
            "Compare with greedy decoding",
            key="run-greedy",
            help="Full context only.",
            persist_state=PERSIST,
        )
        terms = st.text_input(
            "Names and terms", key=field_key("run-terms"), max_chars=5000, persist_state=PERSIST,
            help="Separated by commas; they become likelier.",
        ).strip()  # fmt: skip
    systems = []
    for model in models:
        for mode in modes:
            whole = mode == "full context"
            systems.append(SystemConfig(model, "auto", mode, detects, terms=terms))
            if greedy and whole:
                systems.append(SystemConfig(model, "auto", mode, detects, beam_size=1, terms=terms))
    return list(dict.fromkeys(systems))


def _choose_name(n_cases: int, n_conditions: int, systems: list[SystemConfig]) -> str:
    models = ", ".join(dict.fromkeys(system.model.rsplit("/", 1)[-1] for system in systems))
    default = f"{models}, {n_cases} × {n_conditions}"
    name = st.text_input(
        "Name", placeholder=default, key=field_key("run-name"), max_chars=200, persist_state=PERSIST
    )
    return name.strip() or default


def _draw_run_list(store: Store) -> None:
    runner = get_runner(store)
    busy = any(runner.state(run) in (RunState.RUNNING, RunState.WAITING) for run in store.runs())
    st.fragment(run_every=1.0 if busy else None)(_runs)(store, runner, busy)


def _runs(store: Store, runner: Runner, was_busy: bool) -> None:
    with show_errors():
        _draw_runs(store, runner, was_busy)


def _draw_runs(store: Store, runner: Runner, was_busy: bool) -> None:
    runs = store.runs()
    states = [runner.state(run) for run in runs]
    busy = any(state in (RunState.RUNNING, RunState.WAITING) for state in states)
    if busy != was_busy:
        st.rerun()
    for run, state in paginate(list(zip(runs, states, strict=True)), _RUNS_PER_PAGE, "runs-page"):
        _run(store, runner, run, state)


def _run(store: Store, runner: Runner, run: Run, state: RunState) -> None:
    with st.container(border=True):
        st.markdown(f"**{escape_markdown(run.name)}**")
        share = run.n_done / run.n_trials if run.n_trials else 1.0
        about = f"{run.n_done} of {run.n_trials} trials · {_when(run.created_at)}"
        if state is RunState.DONE:
            st.caption(f"Done · {about}")
        else:
            st.progress(min(share, 1.0), f"{state.value.capitalize()} · {about}")
        error = runner.error(run.id)
        if error:
            st.error(escape_markdown(error), icon=":material/error:")
        row = st.container(horizontal=True)
        is_theirs = store.actor.may_delete(run.owner)
        if state in (RunState.RUNNING, RunState.WAITING):
            if is_theirs and row.button("Cancel", key=f"cancel-{run.id}", icon=":material/close:"):
                with show_errors():
                    runner.cancel(run, store.actor)
                    st.rerun()
        elif (
            is_theirs
            and state is not RunState.DONE
            and row.button("Resume", key=f"resume-{run.id}", icon=":material/play_arrow:")
        ):
            with show_errors():
                runner.start(run, store.actor)
                st.rerun()
        if run.n_done and row.button("Results", key=f"see-{run.id}", icon=":material/monitoring:"):
            st.session_state["open-run"] = run.id
            st.rerun()
        if is_theirs and row.button("Delete", key=f"drop-{run.id}", icon=":material/delete:"):
            with show_errors():
                runner.cancel(run, store.actor)
                store.delete_run(run.id)
                st.rerun()


def _when(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
