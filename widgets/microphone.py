"""The microphone: START, STOP, device, mute; its sound goes into the takes."""

from __future__ import annotations

import logging
import time

import streamlit as st
from streamlit_webrtc import Translations, WebRtcMode, webrtc_streamer
from streamlit_webrtc.component import generate_frontend_component_key

from asr_core.errors import AsrError
from asr_core.live import Take, Takes
from asr_core.rtc.sink import TakesSink
from widgets.ice import ice_servers
from widgets.microphone_check import microphone_check
from widgets.texts import as_written
from widgets.transcript_view import line_clock
from widgets.webrtc_guard import guard_connections
from widgets.workspace import visitor_id

__all__ = [
    "connection_trouble",
    "hanging_note",
    "lost_note",
    "microphone",
    "silence_note",
    "stop_microphone",
    "waiting_note",
]

logger = logging.getLogger(__name__)

_TEXTS = Translations(
    start="START",
    stop="STOP",
    select_device="Choose microphone",
    media_api_not_available=(
        "The browser gives no microphone to this page, because it is not on https. "
        "Open it as https://… or, on the machine itself, as http://localhost:8501."
    ),
    device_ask_permission="Please allow this page to use your microphone, in the browser's question.",
    device_not_available=(
        "No microphone was found. Plug one in, or free it in the program that uses it, "
        "and press START again."
    ),
    device_access_denied=(
        "The browser refused the microphone. Allow it for this page (the icon beside the "
        "address), and press START again."
    ),
    mute_microphone="Mute",
    unmute_microphone="Unmute",
    select_microphone="Microphone",
)

_KEY = "microphone"

_NOTED_S = 0.2
"""Less is shorter than a word."""

_TOO_FAST_S = 1.0
"""Clocks that differ a little are no news."""

_SILENT_S = 8.0
_UNHEARD_S = 3.0

_HANGS_S = 20.0
"""The longest window takes less on a machine that is worth using."""

_CONNECT_S = 12.0
"""A connection that takes longer is not coming (aioice gives up after five)."""


guard_connections()


def microphone(takes: Takes, *, start: bool, stop: bool) -> bool:
    """Draw the control; frames go to ``takes``. True while the microphone is open.

    Who comes when even the line is full is told instead, until there is room in it.

    Args:
        start: open it now, as if START had been pressed.
        stop: close it now, as if STOP had been pressed. The buttons are hidden while the
            page asks for either.
    """
    if takes.is_turned_away and "microphone_opened" not in st.session_state:
        st.fragment(run_every=2.0)(_until_there_is_room)(takes)
        return False
    if "microphone_opened" in st.session_state and takes.was_hung_up():
        stop = st.session_state["stopping"] = True
    _stay_while_mounted()
    is_open = _component(takes, False if stop else True if start else None)
    microphone_check()
    _note_when_opened(is_open)
    if takes.notice:
        st.info(as_written(takes.notice), icon=":material/mic_off:")
    return is_open


def _component(takes: Takes, wished: bool | None) -> bool:
    """Draw START and STOP, and make the connection; True while there is, or will be, one.

    One that is refused is stopped in the browser, too.
    """
    try:
        context = webrtc_streamer(
            key=_KEY,
            mode=WebRtcMode.SENDONLY,
            sink_audio_track=TakesSink(takes),
            rtc_configuration={"iceServers": ice_servers(visitor_id())},
            media_stream_constraints={"audio": True, "video": False},
            translations=_TEXTS,
            desired_playing_state=wished,
        )
    except Exception as error:  # the browser may send anything
        if not isinstance(error, AsrError):
            logger.warning("The microphone's state is odd: %r", error)
        st.session_state["microphone_refused"] = (
            str(error)
            if isinstance(error, AsrError)
            else "The browser sent what this page does not understand. Load the page again."
        )
        if not st.session_state.get("stopping"):
            stop_microphone()
        return True
    is_open = bool(context.state.playing or context.state.signalling)
    if is_open and wished is not False:
        st.session_state.pop("microphone_refused", None)
    return is_open


def _stay_while_mounted() -> None:
    """Keep streamlit-webrtc from giving up a connection that stands.

    It takes the page for left and come back to when Streamlit's count of runs went on by
    two since it was drawn (0.79). On a busy machine the count comes late, and who pressed
    START then was connected and cut off without end. Streamlit itself knows better: it
    forgets the state of a component with the first whole run that does not draw it.
    """
    context = st.session_state.get(_KEY)
    if context is not None and generate_frontend_component_key(_KEY) in st.session_state:
        context._last_rendered_run_count = None


def _note_when_opened(is_open: bool) -> None:
    if not is_open:
        st.session_state.pop("microphone_opened", None)
    elif "microphone_opened" not in st.session_state:
        st.session_state["microphone_opened"] = time.monotonic()


def connection_trouble(takes: Takes) -> str | None:
    """A sentence if no audio comes though the microphone is open, or was to be; else None."""
    refused: str | None = st.session_state.get("microphone_refused")
    if refused is not None:
        return refused
    opened = st.session_state.get("microphone_opened")
    if opened is None or takes.running is not None or takes.place is not None or takes.notice:
        return None
    if time.monotonic() - opened < _CONNECT_S:
        return None
    return (
        "The connection for the sound could not be made. Your network and the server's do not "
        "meet: press STOP, try another network, or ask whoever runs this app to set up a TURN "
        "server (see Deploying in the README)."
    )


def silence_note(takes: Takes, silent_s: float) -> None:
    """Say why nothing comes from the microphone, if nothing comes.

    Args:
        silent_s: seconds of silence in what came.
    """
    if takes.is_interrupted:
        st.warning(
            "The connection was lost; making it again. What you say now is not heard. "
            "The take goes on when the connection is back, and ends by itself if it stays away.",
            icon=":material/wifi_off:",
        )
        if st.button("End the take", icon=":material/stop:", key="end_take"):
            takes.end()
            stop_microphone()
    elif takes.unheard_s > _UNHEARD_S:
        st.warning(
            "No sound arrives from your browser: the microphone was unplugged or taken back, or "
            "the network is down. Press STOP and START again if it stays so.",
            icon=":material/wifi_off:",
        )
    elif silent_s > _SILENT_S:
        st.warning(
            "No sound is arriving. Is the microphone muted, or another one chosen?",
            icon=":material/mic_off:",
        )


def _until_there_is_room(takes: Takes) -> None:
    if not takes.is_turned_away:
        st.rerun()
    st.info(
        "All places are taken and many people wait already. Keep this page open: START appears "
        "here by itself when there is room in the line.",
        icon=":material/groups:",
    )


def stop_microphone() -> None:
    """As if STOP had been pressed; runs the page again."""
    st.session_state["stopping"] = True
    st.rerun()


def waiting_note(takes: Takes) -> bool:
    """Say where in the line the user is; False if there is no line."""
    waiting = takes.place
    if waiting is None:
        return False
    place, wait_s = waiting
    about = f", about {max(1, round(wait_s / 60))} min" if wait_s is not None else ""
    st.info(
        f"All places are taken: you are number {place} in line{about}. Keep this page open; "
        "you get in by yourself, and the page says when to speak.",
        icon=":material/hourglass:",
    )
    return True


def hanging_note(takes: Takes, take: Take) -> bool:
    """Say that the model does not answer; False if it does."""
    waits_s = takes.waits_s(take)
    if waits_s < _HANGS_S:
        return False
    st.warning(
        f"The model has not answered for {waits_s:.0f} seconds. What you say is kept, and its "
        "words come when it answers. If it does not, press STOP, save what there is, and tell "
        "whoever runs this app to restart it.",
        icon=":material/hourglass_disabled:",
    )
    return True


def lost_note(take: Take) -> None:
    """Where words, or the recording, may be missing something, and why."""
    if take.session.recording_refused:
        st.warning(as_written(take.session.recording_refused), icon=":material/save:")
    if take.too_fast_s > _TOO_FAST_S:
        st.warning(
            "Sound came faster than it is spoken, or its clock jumped: what was too much was "
            "left out, and words may be missing.",
            icon=":material/fast_forward:",
        )
    places = [(at, lost) for at, lost in take.lost if lost >= _NOTED_S]
    if places:
        some = ", ".join(f"{lost:.1f} s at {line_clock(at)}" for at, lost in places[-5:])
        st.warning(
            f"The network lost sound: {some}. Words may be missing there.",
            icon=":material/wifi_off:",
        )
