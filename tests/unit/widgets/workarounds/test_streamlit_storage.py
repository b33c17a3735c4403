"""No input of a visitor ends the event loop that serves everybody."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.elements.widgets.text_widgets import TextAreaSerde
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.runtime.runtime import Runtime
from streamlit.runtime.state.common import WidgetMetadata
from streamlit.runtime.state.session_state import SessionState

from widgets.unsaved import has_unsaved
from widgets.workarounds import streamlit_storage
from widgets.workarounds.streamlit_runtime import event_loop_fault
from widgets.workarounds.streamlit_storage import DisconnectedSessions


class Session:
    def __init__(self, name: str) -> None:
        self.id, self.is_over = name, False

    def shutdown(self) -> None:
        self.is_over = True


def left(name: str) -> Any:
    return SimpleNamespace(session=Session(name))


def state_with(value: WidgetState) -> SessionState:
    """Return the state of a page whose text area received this value."""
    state = SessionState()
    serde = TextAreaSerde("", 100)
    state._set_widget_metadata(
        WidgetMetadata(value.id, serde.deserialize, serde.serialize, "string_value")
    )
    state._set_key_widget_mapping(value.id, "said")
    state._new_widget_state.set_widget_from_proto(value)
    return state


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    runtime = SimpleNamespace(uploaded_file_mgr=None)
    monkeypatch.setattr(Runtime, "instance", lambda: runtime)
    monkeypatch.setattr(Runtime, "exists", lambda: True)
    return runtime


def test_a_value_of_the_wrong_type_is_not_kept_as_typed_text(runtime: SimpleNamespace) -> None:
    odd = WidgetState(id="$$ID-1-said")
    odd.chat_input_value.data = "not what a text area sends"
    state = state_with(odd)
    with pytest.raises(TypeError):
        _ = state.filtered_state
    info = SimpleNamespace(session=SimpleNamespace(session_state=state))
    runtime._session_mgr = SimpleNamespace(get_session_info=lambda session_id: info)
    assert not has_unsaved("a page")


@pytest.mark.parametrize("fails", ["the question", "the end"])
def test_no_disconnected_session_ends_the_loop(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    monkeypatch.setattr(streamlit_storage, "_MAX_DISCONNECTED", 2)

    def broken(*_: object) -> bool:
        raise TypeError(fails)

    pages = DisconnectedSessions()
    pages.is_needed = broken if fails == "the question" else lambda session_id: False
    first, *others = (left(f"page {i}") for i in range(4))
    if fails == "the end":
        first.session.shutdown = broken
    for info in (first, *others):
        pages.save(info)
    assert [info.session.id for info in pages.list()] == ["page 2", "page 3"]


def test_a_loop_that_has_ended_is_reported(runtime: SimpleNamespace) -> None:
    loop = asyncio.new_event_loop()
    stopped: asyncio.Future[None] = loop.create_future()
    runtime._get_async_objs = lambda: SimpleNamespace(stopped=stopped)
    assert event_loop_fault() is None
    stopped.set_result(None)
    assert "start the app again" in (event_loop_fault() or "")
    loop.close()
