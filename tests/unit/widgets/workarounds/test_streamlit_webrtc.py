"""Checks between streamlit-webrtc and the browser."""

from __future__ import annotations

import pytest
from streamlit_webrtc import component

from widgets.workarounds.streamlit_webrtc import _HardenedWorker, _parse_state, harden_webrtc


@pytest.mark.parametrize(
    "value", [None, 5, "x", [], [1], {}, {"playing": [1]}, {"playing": "yes"}, {"sdpOffer": ""}]
)
def test_any_message_of_the_browser_gives_a_valid_state(value: object) -> None:
    assert _parse_state(value) == (False, False)


def test_valid_messages_of_the_component_are_read() -> None:
    assert _parse_state({"playing": True, "sdpOffer": ""}) == (True, False)
    assert _parse_state({"playing": False, "sdpOffer": {"sdp": "…", "type": "offer"}}) == (
        False,
        True,
    )


def test_the_guards_are_installed_where_the_component_looks() -> None:
    for _ in range(2):
        harden_webrtc()
    assert component.WebRtcWorker is _HardenedWorker
    assert component.compile_state is _parse_state


def test_credentials_for_a_turn_server_are_not_kept_for_ever() -> None:
    """Each connection has credentials of its own; the library would keep them all."""
    harden_webrtc()
    configuration = {"iceServers": [{"urls": "turn:example.org", "username": "1:a"}]}
    assert component.enhance_frontend_rtc_configuration(configuration) is configuration
