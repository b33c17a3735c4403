"""Replaced parts of Streamlit, without its server."""

from __future__ import annotations

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime import media_file_manager
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.scriptrunner import RerunData
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests, ScriptRequestType

from widgets.workarounds import streamlit_reruns
from widgets.workarounds.streamlit_reruns import install_rerun_fixes


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> MediaFileManager:
    """The files of one session, with the replaced parts."""
    install_rerun_fixes()
    monkeypatch.setattr(media_file_manager, "_get_session_id", lambda: "session")
    return MediaFileManager(MemoryMediaFileStorage("/media"))


def drawn(files: MediaFileManager, text: str) -> str:
    """Run the script once; return the id of its button's file."""
    files.clear_session_refs("session")
    file_id = files.add_deferred(lambda: text, "text/plain", "0.1", "a.txt", element_id="button")
    files.remove_orphaned_files()
    return file_id


def content(files: MediaFileManager, url: str) -> bytes:
    return files._storage.get_file(url.rsplit("/", 1)[1].split(".", maxsplit=1)[0]).content


def test_a_button_pressed_during_a_rerun_downloads_the_newest_content(
    files: MediaFileManager,
) -> None:
    pressed = drawn(files, "before")
    drawn(files, "after")
    assert content(files, files.execute_deferred(pressed)) == b"after"
    files.clear_session_refs("session")  # a rerun starts, and another session's ends
    files.remove_orphaned_files()
    assert content(files, files.execute_deferred(pressed)) == b"after"


def test_a_file_is_kept_for_its_browser_and_then_removed(
    files: MediaFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = files.execute_deferred(drawn(files, "words"))
    for _ in range(5):
        drawn(files, "words")
    assert content(files, url) == b"words"
    monkeypatch.setattr(streamlit_reruns, "_DOWNLOAD_TIMEOUT_S", -1.0)
    files.clear_session_refs("session")
    files.remove_orphaned_files()
    assert not files._file_metadata
    assert not files._deferred_callables


def state(name: str, text: str) -> WidgetState:
    return WidgetState(id=name, string_value=text)


def test_a_page_change_keeps_text_typed_before_it() -> None:
    install_rerun_fixes()
    requests = ScriptRequests()
    typed = WidgetStates(widgets=[state("note", "odd"), state("model", "tiny")])
    left = WidgetStates(widgets=[state("model", "base")])
    requests.request_rerun(RerunData(widget_states=typed))
    requests.request_rerun(RerunData(widget_states=left, page_script_hash="live"))
    request = requests.on_scriptrunner_ready()
    assert {s.id: s.string_value for s in request.rerun_data.widget_states.widgets} == {
        "note": "odd",
        "model": "base",
    }
    assert request.rerun_data.page_script_hash == "live"


def test_a_fragment_of_the_old_page_does_not_bring_the_page_back() -> None:
    install_rerun_fixes()
    requests = ScriptRequests()
    typed = WidgetStates(widgets=[state("note", "odd")])
    requests.request_rerun(RerunData(page_script_hash="live", query_string="a=1"))
    requests.request_rerun(
        RerunData(widget_states=typed, fragment_id="card", page_script_hash="upload")
    )
    data = requests.on_scriptrunner_ready().rerun_data
    assert (data.page_script_hash, data.query_string) == ("live", "a=1")
    assert not data.fragment_id_queue
    assert [s.string_value for s in data.widget_states.widgets] == ["odd"]


def test_a_fragment_of_a_left_page_does_not_clear_the_current_one() -> None:
    install_rerun_fixes()
    requests = ScriptRequests()
    requests.request_rerun(RerunData(page_script_hash="live"))
    requests.on_scriptrunner_ready()
    assert requests.request_rerun(RerunData(fragment_id="card", page_script_hash="upload"))
    assert requests.on_scriptrunner_ready().type == ScriptRequestType.STOP
    requests = ScriptRequests()
    requests.request_rerun(RerunData(page_script_hash="live"))
    requests.on_scriptrunner_ready()
    assert requests.request_rerun(RerunData(fragment_id="line", page_script_hash="live"))
    assert requests.on_scriptrunner_ready().type == ScriptRequestType.RERUN
