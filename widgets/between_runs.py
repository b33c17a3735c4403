"""What Streamlit (1.67) loses between two runs of the script, kept.

A download button's file gets another name with each run, and the old name is forgotten at the
run's end: who presses the button just then gets nothing. What was made for a press is deleted
once two runs of anybody's pages have ended, even if the browser has not fetched it yet. And a
change of the page that comes while a script runs replaces what was typed just before it, and is
itself replaced by what a part of the old page says just after.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import Any

from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.media_file_manager import MediaFileKind, MediaFileManager
from streamlit.runtime.scriptrunner_utils import script_requests
from streamlit.runtime.scriptrunner_utils.script_requests import (
    RerunData,
    ScriptRequests,
    ScriptRequestType,
)

__all__ = ["keep_between_runs"]

_FETCHED_WITHIN_S = 60.0
"""A browser asks for a file at once; a slow network takes seconds."""


def keep_between_runs() -> None:
    """Replace the parts that lose something. A second call does nothing."""
    methods: list[tuple[type, str, Any]] = [
        (MediaFileManager, "add_deferred", _add_deferred),
        (MediaFileManager, "remove_orphaned_files", _remove_orphaned_files),
        (ScriptRequests, "_request_rerun_locked", _requested),
    ]
    for owner, name, method in methods:
        setattr(owner, name, method)
    vars(script_requests)["_coalesce_widget_states"] = _coalesced


_add_with_new_id = MediaFileManager.add_deferred


def _add_deferred(
    self: MediaFileManager,
    data_callable: Any,
    mimetype: str | None,
    coordinates: str,
    file_name: str | None = None,
    *,
    element_id: str = "",
) -> str:
    """Register what a button brings under an id that stays the same for its session."""
    new_id = _add_with_new_id(
        self, data_callable, mimetype, coordinates, file_name, element_id=element_id
    )
    if not element_id:
        return new_id
    with self._lock:
        entry = self._deferred_callables.pop(new_id)
        session_id = entry["session_id"]  # a secret, so that the id is one, too
        kept_id = hashlib.sha256(f"{session_id}/{element_id}".encode()).hexdigest()
        self._deferred_callables[kept_id] = entry
        ids = self._deferred_ids_by_session[session_id]
        ids.discard(new_id)
        ids.add(kept_id)
        self._files_by_session_and_coord[session_id][coordinates] = kept_id
    return kept_id


def _remove_orphaned_files(self: MediaFileManager) -> None:
    """Delete what no page shows any more; downloads only after the browser had time for them."""
    now = time.monotonic()
    with self._lock:
        for file_id in self._get_inactive_file_ids():
            file = self._file_metadata[file_id]
            left_at = vars(file).setdefault("left_at", now)
            if file.kind == MediaFileKind.MEDIA or now - left_at > _FETCHED_WITHIN_S:
                self._delete_file(file_id)
        shown = {i for files in self._files_by_session_and_coord.values() for i in files.values()}
        entries: dict[str, Any] = dict(self._deferred_callables)
        for file_id, entry in entries.items():
            if file_id in shown:
                entry.pop("left_at", None)
            elif now - entry.setdefault("left_at", now) > _FETCHED_WITHIN_S:
                self._drop_deferred_id(file_id)


_coalesce = script_requests._coalesce_widget_states


def _coalesced(old: WidgetStates | None, new: WidgetStates | None) -> WidgetStates | None:
    """Join two requests for a run; fields that the newer one does not speak of keep their values.

    A page that is left says nothing of its fields.
    """
    joined = _coalesce(old, new)
    if old and new and joined is not None:
        known = {state.id for state in joined.widgets}
        values = (state for state in old.widgets if state.id not in known)
        joined.widgets.extend(s for s in values if not _is_trigger(s.WhichOneof("value")))
    return joined


_request = ScriptRequests._request_rerun_locked


def _requested(self: ScriptRequests, new: RerunData) -> bool:
    """Join a request to the one that waits; what a part of a page says changes no page.

    Of a page that is left and no more drawn it is not heard: the next page would be cleared.
    """
    waiting = self._rerun_data
    is_of_other_page = bool(new.fragment_id) and new.page_script_hash != waiting.page_script_hash
    is_waiting = self._state == ScriptRequestType.RERUN and not waiting.fragment_id_queue
    if is_of_other_page and self._state == ScriptRequestType.CONTINUE and waiting.page_script_hash:
        return True
    if is_of_other_page and is_waiting:
        new = replace(
            new,
            page_script_hash=waiting.page_script_hash,
            page_name=waiting.page_name,
            query_string=waiting.query_string,
        )
    return _request(self, new)


def _is_trigger(kind: str | None) -> bool:
    return kind is None or kind.endswith("trigger_value") or kind == "chat_input_value"
