"""Live page: speak, and read the words while you speak."""

import streamlit as st

from asr_core.settings import read_settings
from asr_core.streaming import Recording, RecordingController, scheduler_for
from widgets.downloads import recording_downloads, recording_name
from widgets.finished_recording import draw_finished
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
from widgets.settings import current_settings, load_chosen_engine
from widgets.transcript_view import live_view
from widgets.workspace import current_workspace, retention_caption

_START_SPEAKING = "Start speaking. Your words appear here."


def current_recording(controller: RecordingController) -> Recording | None:
    """Return the recording that is running or being finished."""
    last = controller.all[-1] if controller.all else None
    return last if last is not None and not last.session.is_done else None


def state_of(controller: RecordingController) -> tuple[int | None, bool, bool]:
    """Return the current recording's number, and if it is interrupted or its speaker queues."""
    recording = current_recording(controller)
    number = recording.number if recording else None
    return number, controller.is_interrupted, controller.queue_position is not None


def draw_current(
    controller: RecordingController, is_open: bool, shown: tuple[int | None, bool, bool]
) -> None:
    """Draw the current recording; rerun several times a second."""
    recording = current_recording(controller)
    if state_of(controller) != shown:
        if shown[1] and not controller.is_interrupted and controller.running is None:
            stop_microphone()  # the connection did not come back in time
        st.rerun()  # a recording began or ended: the whole page changes
    problem = connection_problem(controller)
    if problem:
        st.error(problem, icon=":material/wifi_off:")
        st.page_link("pages/upload.py", label="Record a file instead", icon=":material/mic:")
    if recording is None:
        if queue_notice(controller):
            return
        if is_open and not problem:
            st.info("Connecting to the microphone…", icon=":material/mic:")
        return
    snapshot = recording.session.snapshot
    live_view(recording_name(recording), snapshot, _START_SPEAKING, recording.remaining_s)
    if snapshot.error:
        st.warning(escape_markdown(snapshot.error), icon=":material/warning:")
    loss_notice(recording)
    if stall_notice(controller, recording) and not is_open:
        recording_downloads(recording)
    if is_open or controller.is_interrupted:
        silence_notice(controller, snapshot.silent_s)
    if is_open and recording.is_over_limit and not st.session_state.get("stopping"):
        stop_microphone()


st.title("Speak and read", anchor=False)
controller = current_workspace().recordings
options, limit_s = live_options()
engine = load_chosen_engine(current_settings())
if engine is not None:
    controller.prepare(scheduler_for(engine, read_settings().max_speakers), options, limit_s)
    st.caption("Press START, allow the microphone and speak. Press STOP to end the recording.")
    # Read once: a change while the page is drawn must differ from it to trigger a redraw.
    state = state_of(controller)
    _, is_lost, is_queued = state
    is_open = microphone(controller, start=is_lost, stop=st.session_state.get("stopping", False))
    recording = current_recording(controller)
    if not is_open and recording is None and st.session_state.pop("stopping", False):
        st.rerun()  # the buttons come back
    for finished in controller.all:
        if finished is not recording:
            draw_finished(finished)
    if recording is not None:
        st.subheader(f"Recording {recording.number}", anchor=False)
    # A queue position seldom changes, and redrawing it costs the speakers processing time.
    every_s = 1.0 if is_queued else 0.3
    refresh = st.fragment(run_every=every_s if is_open or recording else None)(draw_current)
    refresh(controller, is_open, state)
    kept_words(recording_name(each) for each in controller.all)
    if controller.all:
        retention_caption()
    clear_help = "Delete the finished recordings"
    if controller.all and st.button("Clear", icon=":material/delete:", help=clear_help):
        controller.clear()
        st.rerun()
