"""What is on a page and nowhere else: files that were sent, words that were typed."""

from __future__ import annotations

from typing import Any

from streamlit.runtime.runtime import Runtime

from widgets.streamlit_parts import UploadedFiles

__all__ = ["has_unsaved"]

_TYPED = ("free-", "note-", "prompt", "run-name", "noise-name", "record-", "upload-", "import-")
"""Keys of fields that are empty until somebody types into them."""


def has_unsaved(session_id: str) -> bool:
    """Whether something would be lost with this session. Any thread may call."""
    runtime = Runtime.instance()
    files, manager = runtime.uploaded_file_mgr, runtime._session_mgr
    if isinstance(files, UploadedFiles) and files.has(session_id):
        return True
    found = manager.get_session_info(session_id)
    if found is None:
        return False
    try:
        state = found.session.session_state.filtered_state
    except (RuntimeError, KeyError):  # it changes at this moment, so somebody is there
        return True
    return any(_is_typed(str(key), value) for key, value in state.items())


def _is_typed(key: str, value: Any) -> bool:
    if key.startswith("case-table"):
        return isinstance(value, dict) and bool(value.get("edited_rows"))
    return key.startswith(_TYPED) and isinstance(value, str) and bool(value.strip())
