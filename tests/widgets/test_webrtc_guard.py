"""What stands between streamlit-webrtc and whoever talks to it."""

from __future__ import annotations

import pytest
from streamlit_webrtc import component

from widgets.webrtc_guard import _GuardedWorker, _state_of, guard_connections


@pytest.mark.parametrize(
    "value", [None, 5, "x", [], [1], {}, {"playing": [1]}, {"playing": "yes"}, {"sdpOffer": ""}]
)
def test_whatever_the_browser_sends_is_a_state(value: object) -> None:
    assert _state_of(value) == (False, False)


def test_what_the_component_sends_is_read() -> None:
    assert _state_of({"playing": True, "sdpOffer": ""}) == (True, False)
    assert _state_of({"playing": False, "sdpOffer": {"sdp": "…", "type": "offer"}}) == (False, True)


def test_the_guards_stand_where_the_component_looks() -> None:
    for _ in range(2):
        guard_connections()
    assert component.WebRtcWorker is _GuardedWorker
    assert component.compile_state is _state_of


def test_names_for_a_turn_server_are_not_remembered_for_ever() -> None:
    """Each connection has its own; the library would keep them all."""
    guard_connections()
    configuration = {"iceServers": [{"urls": "turn:example.org", "username": "1:a"}]}
    assert component.enhance_frontend_rtc_configuration(configuration) is configuration
