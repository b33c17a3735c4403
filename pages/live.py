"""Live: speak, and read the words while you speak."""

import streamlit as st

from asr_core.streaming import Recording, RecordingController, scheduler_for
from widgets.downloads import recording_downloads, recording_name
from widgets.kept_words import kept_words
from widgets.live_settings import live_options
from widgets.markdown import escape_markdown
from widgets.microphone import (
    connection_problem,
    loss_notice,
    microphone,
    queue_notice,
    silence_notice,
    stall_notice,
    stop_microphone,
)
from widgets.settings import current_settings, limits, load_chosen_engine
from widgets.transcript_view import finished_view, live_view
from widgets.workspace import current_workspace, retention_caption

_NOTHING_HEARD = "No speech was heard in this take."


def current_take(takes: RecordingController) -> Recording | None:
    """The take that runs or is still being finished."""
    last = takes.all[-1] if takes.all else None
    return last if last is not None and not last.session.is_done else None


def state_of(takes: RecordingController) -> tuple[int | None, bool, bool]:
    """The number of the current take, whether its connection is lost, and whether this one
    waits to speak."""
    take = current_take(takes)
    return take.number if take else None, takes.is_interrupted, takes.queue_position is not None


def draw_current(
    takes: RecordingController, is_open: bool, shown: tuple[int | None, bool, bool]
) -> None:
    """The part that is drawn again several times a second."""
    take = current_take(takes)
    if state_of(takes) != shown:
        if shown[1] and not takes.is_interrupted and takes.running is None:
            stop_microphone()  # the connection did not come back in time
        st.rerun()  # a take began or ended: the whole page changes
    trouble = connection_problem(takes)
    if trouble:
        st.error(trouble, icon=":material/wifi_off:")
        st.page_link("pages/upload.py", label="Record without a connection", icon=":material/mic:")
    if take is None:
        if queue_notice(takes):
            return
        if is_open and not trouble:
            st.info("Connecting to the microphone …", icon=":material/mic:")
        return
    snapshot = take.session.snapshot
    empty = "Speak now: the words appear here."
    live_view(recording_name(take), snapshot, empty, take.remaining_s)
    if snapshot.error:
        st.warning(escape_markdown(snapshot.error), icon=":material/warning:")
    loss_notice(take)
    if stall_notice(takes, take) and not is_open:
        recording_downloads(take)
    if is_open or takes.is_interrupted:
        silence_notice(takes, snapshot.silent_s)
    if is_open and take.is_over_limit and not st.session_state.get("stopping"):
        stop_microphone()


def draw_finished(take: Recording) -> None:
    snapshot = take.session.snapshot
    st.subheader(f"Take {take.number} · {take.started:%H:%M}", anchor=False)
    finished_view(recording_name(take), snapshot.segments, _NOTHING_HEARD)
    if snapshot.error:
        st.warning(escape_markdown(snapshot.error), icon=":material/warning:")
    loss_notice(take)
    from widgets.flagging import flag_recording  # not before: it brings the database along

    flag_recording(
        recording_downloads(take), f"Take {take.number}", take.session, current_settings().model
    )


st.title("Speak and read", anchor=False)
takes = current_workspace().recordings
allowed = limits()
options, limit_s = live_options(allowed)
engine = load_chosen_engine(current_settings())
if engine is not None:
    takes.prepare(scheduler_for(engine, allowed), options, limit_s)
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
    kept_words(recording_name(take) for take in takes.all)
    if takes.all:
        retention_caption()
    if takes.all and st.button("Clear", icon=":material/delete:", help="Forget the finished takes"):
        takes.clear()
        st.rerun()
