"""What is on a page and nowhere else: files that were sent, words that were typed."""

from __future__ import annotations

import logging

from streamlit.runtime.runtime import Runtime

from widgets.streamlit_parts import UploadedFiles
from widgets.typed import is_typed_into

__all__ = ["has_unsaved"]

logger = logging.getLogger(__name__)


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
        return is_typed_into(found.session.session_state.filtered_state)
    except (RuntimeError, KeyError):  # it changes at this moment, so somebody is there
        return True
    except Exception as error:  # a browser can send anything as the value of a field
        logger.warning("the state of a page cannot be read", extra={"error": repr(error)})
        return False
