"""Live: speak, and read the words while you speak."""

import streamlit as st

from asr_core.live import Take, Takes, scheduler_of
from widgets.downloads import name_of, take_downloads
from widgets.kept_words import kept_words
from widgets.live_settings import live_options
from widgets.microphone import (
    connection_trouble,
    hanging_note,
    lost_note,
    microphone,
    silence_note,
    stop_microphone,
    waiting_note,
)
from widgets.settings import current_settings, limits, prepared_engine
from widgets.texts import as_written
from widgets.transcript_view import finished_view, live_view
from widgets.workspace import current_workspace, kept_caption

_NOTHING_HEARD = "No speech was heard in this take."


def current_take(takes: Takes) -> Take | None:
    """The take that runs or is still being finished."""
    last = takes.all[-1] if takes.all else None
    return last if last is not None and not last.session.is_done else None


def state_of(takes: Takes) -> tuple[int | None, bool, bool]:
    """The number of the current take, whether its connection is lost, and whether this one
    waits to speak."""
    take = current_take(takes)
    return take.number if take else None, takes.is_interrupted, takes.place is not None


def draw_current(takes: Takes, is_open: bool, shown: tuple[int | None, bool, bool]) -> None:
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
    live_view(name_of(take), snapshot, empty, take.remaining_s)
    if snapshot.error:
        st.warning(as_written(snapshot.error), icon=":material/warning:")
    lost_note(take)
    if hanging_note(takes, take) and not is_open:
        take_downloads(take)
    if is_open or takes.is_interrupted:
        silence_note(takes, snapshot.silent_s)
    if is_open and take.is_over_limit and not st.session_state.get("stopping"):
        stop_microphone()


def draw_finished(take: Take) -> None:
    snapshot = take.session.snapshot
    st.subheader(f"Take {take.number} · {take.started:%H:%M}", anchor=False)
    finished_view(name_of(take), snapshot.utterances, _NOTHING_HEARD)
    if snapshot.error:
        st.warning(as_written(snapshot.error), icon=":material/warning:")
    lost_note(take)
    from widgets.flagging import flag_take  # not before: it brings the database along

    flag_take(take_downloads(take), f"Take {take.number}", take.session, current_settings().model)


st.title("Speak and read", anchor=False)
takes = current_workspace().takes
allowed = limits()
options, limit_s = live_options(allowed)
engine = prepared_engine(current_settings())
if engine is not None:
    takes.prepare(scheduler_of(engine, allowed), options, limit_s)
    st.caption("Press START, allow the microphone, and speak. STOP ends the take.")
    # Read once: what changes while the page is drawn must differ from it, to be drawn again.
    state = state_of(takes)
    _, is_lost, waits = state
    is_open = microphone(takes, start=is_lost, stop=st.session_state.get("stopping", False))
    take = current_take(takes)
    if not is_open and take is None and st.session_state.pop("stopping", False):
        st.rerun()  # the buttons come back
    for finished in takes.all:
        if finished is not take:
            draw_finished(finished)
    if take is not None:
        st.subheader(f"Take {take.number}", anchor=False)
    # Who waits sees a number that seldom changes; drawing it takes from those who speak.
    every_s = 1.0 if waits else 0.3
    refresh = st.fragment(run_every=every_s if is_open or take else None)(draw_current)
    refresh(takes, is_open, state)
    kept_words(name_of(take) for take in takes.all)
    if takes.all:
        kept_caption()
    if takes.all and st.button("Clear", icon=":material/delete:", help="Forget the finished takes"):
        takes.clear()
        st.rerun()
