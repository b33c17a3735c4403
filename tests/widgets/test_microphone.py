"""The control of the microphone, without a browser."""

from __future__ import annotations

import numpy as np
from streamlit.testing.v1 import AppTest


def control() -> None:
    import streamlit as st

    from asr_core.live import Takes
    from widgets.microphone import connection_trouble, microphone

    if "takes" not in st.session_state:
        st.session_state["takes"] = Takes()
    takes = st.session_state["takes"]
    is_open = microphone(takes, start=False, stop=False)
    st.text(f"open: {is_open}, trouble: {connection_trouble(takes)}")


def notes() -> None:
    import streamlit as st

    from widgets.microphone import lost_note

    lost_note(st.session_state["take"])


def test_a_state_that_the_library_trips_over_is_a_sentence_and_no_endless_loop() -> None:
    """The fault is had by running the page without a server, which the library needs."""
    app = AppTest.from_function(control, default_timeout=30).run()
    assert not app.exception
    assert "trouble: The browser sent what this page does not understand" in app.text[0].value


def test_why_the_server_hung_up_is_told() -> None:
    app = AppTest.from_function(control, default_timeout=30).run()
    app.session_state["takes"].notice = "The take was ended by its time limit."
    assert "time limit" in app.run().info[0].value


def test_what_is_missing_from_a_take_is_told() -> None:
    from datetime import UTC, datetime

    from asr_core.budget import Allowance, Budget, Resource
    from asr_core.live import LiveOptions, LiveSession, Take

    budget = Budget({Resource.RECORDINGS: Allowance(9, 9, "No room: {what} too much sound.")})
    session = LiveSession(
        LiveOptions(keep_recording=True), budget.take(Resource.RECORDINGS, 0, "me")
    )
    session.append(np.zeros(16_000, np.float32))
    take = Take(1, session, datetime.now(UTC), too_fast_s=30.0, lost=((4.0, 0.5),))
    app = AppTest.from_function(notes)
    app.session_state["take"] = take
    told = " ".join(warning.value for warning in app.run().warning).replace("\\", "")
    assert "No room: you have too much sound" in told
    assert "faster than it is spoken" in told
    assert "0.5 s at 0:04" in told
