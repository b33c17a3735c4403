"""Microphone control of the live page, and the notices about its audio."""

from __future__ import annotations

import logging
import time

import streamlit as st
from streamlit_webrtc import Translations, WebRtcMode, webrtc_streamer

from asr_core.errors import AsrError
from asr_core.streaming import Recording, RecordingController
from asr_core.streaming.recording_sink import RecordingSink
from widgets.ice import ice_servers
from widgets.markdown import escape_markdown
from widgets.microphone_check import microphone_check
from widgets.transcript_view import format_clock
from widgets.workarounds.streamlit_webrtc import harden_webrtc, keep_mounted
from widgets.workspace import visitor_id

__all__ = [
    "connection_problem",
    "loss_notice",
    "microphone",
    "queue_notice",
    "silence_notice",
    "stall_notice",
    "stop_microphone",
]

logger = logging.getLogger(__name__)

_TEXTS = Translations(
    start="START",
    stop="STOP",
    select_device="Choose microphone",
    media_api_not_available=(
        "The browser only allows the microphone on secure pages. Open this page at https://… or, "
        "on the machine that runs it, at http://localhost:8501."
    ),
    device_ask_permission="Please allow this page to use your microphone when the browser asks.",
    device_not_available=(
        "No microphone was found. Connect one, or close the program that is using it, "
        "then press START again."
    ),
    device_access_denied=(
        "The browser is blocking the microphone. Allow it for this page with the icon next to the "
        "address, then press START again."
    ),
    mute_microphone="Mute",
    unmute_microphone="Unmute",
    select_microphone="Microphone",
)

_KEY = "microphone"

# Shorter losses are below the length of a word.
_MIN_REPORTED_LOSS_S = 0.2

# Clocks of browser and server may differ by this much.
_MAX_CLOCK_DRIFT_S = 1.0

# Digital silence from the microphone before the page mentions it.
_SILENT_S = 8.0

# Time without an audio packet before the page mentions it.
_NO_AUDIO_S = 3.0

# The longest window takes less on any usable machine.
_STALL_S = 20.0

# A slower connection never comes up; aioice gives up after five seconds.
_CONNECT_TIMEOUT_S = 12.0


harden_webrtc()


def microphone(controller: RecordingController, *, start: bool, stop: bool) -> bool:
    """Draw the control, which feeds ``controller``; return True while the microphone is open.

    If even the queue is full, draw a notice instead until there is room.

    Args:
        controller: receives the audio.
        start: open it now, as if START had been pressed.
        stop: close it now, as if STOP had been pressed. The buttons are hidden while the
            page asks for either.
    """
    if controller.is_turned_away and "microphone_opened" not in st.session_state:
        st.fragment(run_every=2.0)(_draw_full_queue)(controller)
        return False
    if "microphone_opened" in st.session_state and controller.was_hung_up():
        stop = st.session_state["stopping"] = True
    keep_mounted(_KEY)
    is_open = _draw_control(controller, False if stop else True if start else None)
    microphone_check()
    _remember_opening_time(is_open)
    if controller.notice:
        st.info(escape_markdown(controller.notice), icon=":material/mic_off:")
    return is_open


def _draw_control(controller: RecordingController, desired: bool | None) -> bool:
    """Draw START and STOP; return True while there is a connection or one is being made.

    A refused connection is stopped in the browser as well.
    """
    try:
        context = webrtc_streamer(
            key=_KEY,
            mode=WebRtcMode.SENDONLY,
            sink_audio_track=RecordingSink(controller),
            rtc_configuration={"iceServers": ice_servers(visitor_id())},
            media_stream_constraints={"audio": True, "video": False},
            translations=_TEXTS,
            desired_playing_state=desired,
        )
    except Exception as error:  # the browser may send anything
        if not isinstance(error, AsrError):
            logger.warning("The microphone component sent an invalid state: %r", error)
        st.session_state["microphone_refused"] = (
            str(error)
            if isinstance(error, AsrError)
            else "The browser sent something this page does not understand. Reload the page."
        )
        if not st.session_state.get("stopping"):
            stop_microphone()
        return True
    is_open = bool(context.state.playing or context.state.signalling)
    if is_open and desired is not False:
        st.session_state.pop("microphone_refused", None)
    return is_open


def _remember_opening_time(is_open: bool) -> None:
    if not is_open:
        st.session_state.pop("microphone_opened", None)
    elif "microphone_opened" not in st.session_state:
        st.session_state["microphone_opened"] = time.monotonic()


def connection_problem(controller: RecordingController) -> str | None:
    """Return why no audio arrives from an open or refused microphone; None if all is well."""
    refused: str | None = st.session_state.get("microphone_refused")
    if refused is not None:
        return refused
    opened_at = st.session_state.get("microphone_opened")
    is_served = controller.running is not None or controller.queue_position is not None
    if opened_at is None or is_served or controller.notice:
        return None
    if time.monotonic() - opened_at < _CONNECT_TIMEOUT_S:
        return None
    return (
        "The audio connection could not be established: your network and the server's cannot "
        "reach each other. Press STOP and try another network, or ask the operator of this app to "
        "set up a TURN server (see the documentation on deploying)."
    )


def silence_notice(controller: RecordingController, silent_s: float) -> None:
    """Draw why no speech arrives from the microphone, if none does.

    Args:
        controller: receives the audio.
        silent_s: seconds of silence in the audio that arrived.
    """
    if controller.is_interrupted:
        st.warning(
            "Connection lost, reconnecting. Nothing you say is recorded until it is back. The "
            "recording then continues; if the connection stays away, it ends by itself.",
            icon=":material/wifi_off:",
        )
        if st.button("End the recording", icon=":material/stop:", key="end_recording"):
            controller.end()
            stop_microphone()
    elif controller.since_last_frame_s > _NO_AUDIO_S:
        st.warning(
            "No audio is arriving from your browser. The microphone may have been unplugged or "
            "blocked, or the network may be down. If this persists, press STOP, then START.",
            icon=":material/wifi_off:",
        )
    elif silent_s > _SILENT_S:
        st.warning(
            "The microphone is silent. Is it muted, or is another one selected?",
            icon=":material/mic_off:",
        )


def _draw_full_queue(controller: RecordingController) -> None:
    if not controller.is_turned_away:
        st.rerun()
    st.info(
        "All places are taken and the queue is full. Keep this page open: START appears as soon "
        "as there is room in the queue.",
        icon=":material/groups:",
    )


def stop_microphone() -> None:
    """Rerun the page as if STOP had been pressed."""
    st.session_state["stopping"] = True
    st.rerun()


def queue_notice(controller: RecordingController) -> bool:
    """Draw the visitor's position in the queue; return False for a visitor who does not queue."""
    position = controller.queue_position
    if position is None:
        return False
    number, wait_s = position
    wait = f", about {max(1, round(wait_s / 60))} min" if wait_s is not None else ""
    st.info(
        f"All places are taken. You are number {number} in the queue{wait}. Keep this page open: "
        "your turn comes automatically, and the page tells you when to speak.",
        icon=":material/hourglass:",
    )
    return True


def stall_notice(controller: RecordingController, recording: Recording) -> bool:
    """Draw a warning if the model does not respond; return False if it does."""
    wait_s = controller.model_wait_s(recording)
    if wait_s < _STALL_S:
        return False
    st.warning(
        f"The model has not responded for {wait_s:.0f} seconds. Your speech is kept, and the words "
        "appear when it responds. If it does not, press STOP, save what you have, and ask the "
        "operator of this app to restart it.",
        icon=":material/hourglass_disabled:",
    )
    return True


def loss_notice(recording: Recording) -> None:
    """Draw where words or kept audio may be missing, and why."""
    if recording.session.options.keep_audio and recording.session.keep_audio_error:
        st.warning(escape_markdown(recording.session.keep_audio_error), icon=":material/save:")
    if recording.too_fast_s > _MAX_CLOCK_DRIFT_S:
        st.warning(
            "Audio arrived faster than real time, or its clock jumped. The excess was dropped, so "
            "words may be missing.",
            icon=":material/fast_forward:",
        )
    losses = [(at, lost) for at, lost in recording.lost if lost >= _MIN_REPORTED_LOSS_S]
    if losses:
        latest = ", ".join(f"{lost:.1f} s at {format_clock(at)}" for at, lost in losses[-5:])
        st.warning(
            f"Audio was lost in the network: {latest}. Words may be missing there.",
            icon=":material/wifi_off:",
        )
