"""The microphone's control, without a browser."""

from __future__ import annotations

import numpy as np
from streamlit.testing.v1 import AppTest


def control() -> None:
    import streamlit as st

    from asr_core.streaming import RecordingController
    from widgets.microphone import connection_problem, microphone

    if "controller" not in st.session_state:
        st.session_state["controller"] = RecordingController()
    controller = st.session_state["controller"]
    is_open = microphone(controller, start=False, stop=False)
    st.text(f"open: {is_open}, trouble: {connection_problem(controller)}")


def notes() -> None:
    import streamlit as st

    from widgets.microphone import loss_notice

    loss_notice(st.session_state["recording"])


def test_a_component_state_the_library_fails_on_is_reported_once() -> None:
    """The page runs without the server that the library needs, which makes it fail."""
    app = AppTest.from_function(control, default_timeout=30).run()
    assert not app.exception
    assert "trouble: The browser sent something this page does not understand" in app.text[0].value


def test_the_reason_for_a_closed_connection_is_shown() -> None:
    app = AppTest.from_function(control, default_timeout=30).run()
    app.session_state["controller"].notice = "The recording was ended by its time limit."
    assert "time limit" in app.run().info[0].value


def test_losses_of_a_recording_are_shown() -> None:
    from datetime import UTC, datetime

    from asr_core.ops.budget import Budget, Quota, Resource
    from asr_core.streaming import LiveOptions, LiveSession, Recording
    from tests.support.engines import CountingEngine

    budget = Budget({Resource.RECORDINGS: Quota(9, 9, "No room: {what} too much sound.")})
    session = LiveSession(
        LiveOptions(keep_audio=True), budget.reserve(Resource.RECORDINGS, 0, "me")
    )
    session.append(np.zeros(16_000, np.float32))
    recording = Recording(
        1, session, CountingEngine(), datetime.now(UTC), too_fast_s=30.0, lost=((4.0, 0.5),)
    )
    app = AppTest.from_function(notes)
    app.session_state["recording"] = recording
    warnings = " ".join(warning.value for warning in app.run().warning).replace("\\", "")
    assert "No room: you have too much sound" in warnings
    assert "faster than real time" in warnings
    assert "0.5 s at 0:04" in warnings
