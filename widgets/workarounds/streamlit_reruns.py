"""Downloads and typed values that Streamlit (1.67) loses between two runs of a page's script.

- A download button's file gets a new id with each run and the old id is forgotten when the run
  ends, so a press at that moment downloads nothing.
- A file made for a press is deleted after two runs of any session, even if the browser has not
  fetched it yet.
- A change of page during a run discards what was typed just before it, and a fragment of the old
  page that reruns just after discards the change of page.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import Any

from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileKind
from streamlit.runtime.scriptrunner_utils import script_requests
from streamlit.runtime.scriptrunner_utils.script_requests import (
    RerunData,
    ScriptRequests,
    ScriptRequestType,
)

__all__ = ["install_rerun_fixes"]

# A browser fetches a file at once; a slow network takes seconds.
_DOWNLOAD_TIMEOUT_S = 60.0


def install_rerun_fixes() -> None:
    """Replace the methods that lose something. A second call does nothing."""
    methods: list[tuple[type, str, Any]] = [
        (MediaFileManager, "add_deferred", _add_deferred),
        (MediaFileManager, "remove_orphaned_files", _remove_orphaned_files),
        (ScriptRequests, "_request_rerun_locked", _request_rerun),
    ]
    for owner, name, method in methods:
        setattr(owner, name, method)
    vars(script_requests)["_coalesce_widget_states"] = _coalesce_widget_states


_original_add_deferred = MediaFileManager.add_deferred


def _add_deferred(
    self: MediaFileManager,
    data_callable: Any,
    mimetype: str | None,
    coordinates: str,
    file_name: str | None = None,
    *,
    element_id: str = "",
) -> str:
    """Register a button's download under an id that stays the same for its session."""
    new_id = _original_add_deferred(
        self, data_callable, mimetype, coordinates, file_name, element_id=element_id
    )
    if not element_id:
        return new_id
    with self._lock:
        entry = self._deferred_callables.pop(new_id)
        session_id = entry["session_id"]  # a secret, so the id cannot be guessed either
        stable_id = hashlib.sha256(f"{session_id}/{element_id}".encode()).hexdigest()
        self._deferred_callables[stable_id] = entry
        ids = self._deferred_ids_by_session[session_id]
        ids.discard(new_id)
        ids.add(stable_id)
        self._files_by_session_and_coord[session_id][coordinates] = stable_id
    return stable_id


def _remove_orphaned_files(self: MediaFileManager) -> None:
    """Delete files that no page shows, downloads only once the browser had time to fetch them."""
    now = time.monotonic()
    with self._lock:
        for file_id in self._get_inactive_file_ids():
            file = self._file_metadata[file_id]
            orphaned_at = vars(file).setdefault("orphaned_at", now)
            if file.kind == MediaFileKind.MEDIA or now - orphaned_at > _DOWNLOAD_TIMEOUT_S:
                self._delete_file(file_id)
        shown = {i for files in self._files_by_session_and_coord.values() for i in files.values()}
        entries: dict[str, Any] = dict(self._deferred_callables)
        for file_id, entry in entries.items():
            if file_id in shown:
                entry.pop("orphaned_at", None)
            elif now - entry.setdefault("orphaned_at", now) > _DOWNLOAD_TIMEOUT_S:
                self._drop_deferred_id(file_id)


_original_coalesce = script_requests._coalesce_widget_states


def _coalesce_widget_states(
    old: WidgetStates | None, new: WidgetStates | None
) -> WidgetStates | None:
    """Merge two rerun requests; a field that the newer one does not mention keeps its value.

    A request for another page mentions no field of the page that was left.
    """
    merged = _original_coalesce(old, new)
    if old and new and merged is not None:
        known = {state.id for state in merged.widgets}
        values = (state for state in old.widgets if state.id not in known)
        merged.widgets.extend(s for s in values if not _is_trigger(s.WhichOneof("value")))
    return merged


_original_request_rerun = ScriptRequests._request_rerun_locked


def _request_rerun(self: ScriptRequests, new: RerunData) -> bool:
    """Merge a rerun request into the pending one; a fragment's request never changes the page.

    A fragment of a page that is no longer shown is ignored, or it would clear the new page.
    """
    pending = self._rerun_data
    is_of_other_page = bool(new.fragment_id) and new.page_script_hash != pending.page_script_hash
    is_pending = self._state == ScriptRequestType.RERUN and not pending.fragment_id_queue
    if is_of_other_page and self._state == ScriptRequestType.CONTINUE and pending.page_script_hash:
        return True
    if is_of_other_page and is_pending:
        new = replace(
            new,
            page_script_hash=pending.page_script_hash,
            page_name=pending.page_name,
            query_string=pending.query_string,
        )
    return _original_request_rerun(self, new)


def _is_trigger(kind: str | None) -> bool:
    return kind is None or kind.endswith("trigger_value") or kind == "chat_input_value"
