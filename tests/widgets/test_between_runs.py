"""Streamlit's parts that are replaced, without its server."""

from __future__ import annotations

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime import media_file_manager
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.scriptrunner import RerunData
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests, ScriptRequestType

from widgets import between_runs
from widgets.between_runs import keep_between_runs


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> MediaFileManager:
    """Those of one session, with the parts replaced."""
    keep_between_runs()
    monkeypatch.setattr(media_file_manager, "_get_session_id", lambda: "session")
    return MediaFileManager(MemoryMediaFileStorage("/media"))


def drawn(files: MediaFileManager, text: str) -> str:
    """Run the script once; the id under which its button's file is asked for."""
    files.clear_session_refs("session")
    file_id = files.add_deferred(lambda: text, "text/plain", "0.1", "a.txt", element_id="button")
    files.remove_orphaned_files()
    return file_id


def content(files: MediaFileManager, url: str) -> bytes:
    return files._storage.get_file(url.rsplit("/", 1)[1].split(".", maxsplit=1)[0]).content


def test_a_button_pressed_while_the_page_is_drawn_again_brings_the_newest(
    files: MediaFileManager,
) -> None:
    pressed = drawn(files, "before")
    drawn(files, "after")
    assert content(files, files.execute_deferred(pressed)) == b"after"
    files.clear_session_refs("session")  # a run begins, and ends for somebody else
    files.remove_orphaned_files()
    assert content(files, files.execute_deferred(pressed)) == b"after"


def test_a_file_waits_for_its_browser_and_goes_then(
    files: MediaFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = files.execute_deferred(drawn(files, "words"))
    for _ in range(5):
        drawn(files, "words")
    assert content(files, url) == b"words"
    monkeypatch.setattr(between_runs, "_FETCHED_WITHIN_S", -1.0)
    files.clear_session_refs("session")
    files.remove_orphaned_files()
    assert not files._file_metadata
    assert not files._deferred_callables


def state(name: str, text: str) -> WidgetState:
    return WidgetState(id=name, string_value=text)


def test_a_change_of_the_page_does_not_take_away_what_was_typed_before_it() -> None:
    keep_between_runs()
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


def test_a_part_of_the_old_page_does_not_call_the_page_back() -> None:
    keep_between_runs()
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


def test_a_part_of_a_page_that_was_left_does_not_clear_the_one_that_is_drawn() -> None:
    keep_between_runs()
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
