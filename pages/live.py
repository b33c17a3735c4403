"""Live: speak, and read the words while you speak."""

import streamlit as st

from asr_core.limits import Limits
from asr_core.live import LiveOptions, Take, Takes, scheduler_of
from widgets.downloads import download_buttons
from widgets.flagging import flag_take
from widgets.microphone import (
    connection_trouble,
    lost_note,
    microphone,
    silence_note,
    stop_microphone,
    takes_of_this_session,
    waiting_note,
)
from widgets.settings import current_settings, limits, prepared_engine
from widgets.texts import as_written
from widgets.transcript_view import finished_view, live_view

_NOTHING_HEARD = "No speech was heard in this take."


def live_options(allowed: Limits) -> tuple[LiveOptions, float | None]:
    settings = current_settings()
    with st.sidebar:
        st.header("Live")
        period = st.slider(
            "Update every … seconds", 0.2, 3.0, 0.4, 0.1, key="period",
            help="Shorter is livelier and costs more. Under load updates come less often.",
        )  # fmt: skip
        keep = st.toggle(
            "Keep the recording", key="keep",
            help="Holds the audio in memory until you clear it or close the tab, to save it.",
        )  # fmt: skip
        limited = st.toggle("Time limit", key="limited")
        minutes = st.number_input("Minutes", 0.1, 600.0, 10.0, key="minutes") if limited else None
        most_s = allowed.take_s
        if most_s is not None:
            st.caption(f"A take lasts at most {most_s / 60:g} minutes here.")
    options = LiveOptions(settings.language, settings.task, period, keep)
    wished = [s for s in (minutes * 60 if minutes else None, most_s) if s is not None]
    return options, min(wished, default=None)


def current_take(takes: Takes) -> Take | None:
    """The take that runs or is still being finished."""
    last = takes.all[-1] if takes.all else None
    return last if last is not None and not last.session.is_done else None


def state_of(takes: Takes) -> tuple[int | None, bool]:
    """The number of the current take, and whether its connection is lost."""
    take = current_take(takes)
    return take.number if take else None, takes.is_interrupted


def draw_current(takes: Takes, is_open: bool, shown: tuple[int | None, bool]) -> None:
    """The part that is drawn again several times a second."""
    take = current_take(takes)
    if state_of(takes) != shown:
        if shown[1] and not takes.is_interrupted and takes.running is None:
            stop_microphone()  # the connection did not come back in time
        st.rerun()  # a take began or ended: the whole page changes
    trouble = connection_trouble(takes)
    if trouble:
        st.error(trouble, icon=":material/wifi_off:")
        st.page_link("pages/upload.py", label="Record without a connection", icon=":material/mic:")
    if take is None:
        if waiting_note(takes):
            return
        if is_open and not trouble:
            st.info("Connecting to the microphone …", icon=":material/mic:")
        return
    snapshot = take.session.snapshot
    empty = "Speak now: the words appear here."
    live_view(f"take-{take.number}", snapshot, empty, take.remaining_s)
    if snapshot.error:
        st.warning(as_written(snapshot.error), icon=":material/warning:")
    lost_note(take)
    if is_open or takes.is_interrupted:
        silence_note(takes, snapshot.silent_s)
    if is_open and take.is_over_limit and not st.session_state.get("stopping"):
        stop_microphone()


def draw_finished(take: Take) -> None:
    snapshot = take.session.snapshot
    st.subheader(f"Take {take.number} · {take.started:%H:%M}", anchor=False)
    finished_view(f"take-{take.number}", snapshot.utterances, _NOTHING_HEARD)
    if snapshot.error:
        st.warning(as_written(snapshot.error), icon=":material/warning:")
    lost_note(take)
    name = f"take-{take.number}-{take.started:%Y%m%d-%H%M}"
    download_buttons(name, name, snapshot.transcript(), take.session)
    flag_take(name, f"Take {take.number}", take.session, current_settings().model)


st.title("Speak and read", anchor=False)
takes = takes_of_this_session()
allowed = limits()
options, limit_s = live_options(allowed)
engine = prepared_engine(current_settings())
if engine is not None:
    takes.prepare(scheduler_of(engine, allowed), options, limit_s)
    st.caption("Press START, allow the microphone, and speak. STOP ends the take.")
    is_open = microphone(takes, stop=st.session_state.get("stopping", False))
    if not is_open:
        st.session_state.pop("stopping", None)
    take = current_take(takes)
    for finished in takes.all:
        if finished is not take:
            draw_finished(finished)
    if take is not None:
        st.subheader(f"Take {take.number}", anchor=False)
    refresh = st.fragment(run_every=0.3 if is_open or take else None)(draw_current)
    refresh(takes, is_open, state_of(takes))
    if takes.all and st.button("Clear", icon=":material/delete:", help="Forget the finished takes"):
        takes.clear()
        st.rerun()
