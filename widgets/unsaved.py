"""Unsaved work of a session: uploads and typed text that exist nowhere else."""

from __future__ import annotations

import logging

from widgets.text_fields import has_edits
from widgets.workarounds.streamlit_runtime import session_manager, uploaded_files
from widgets.workarounds.streamlit_storage import UploadedFiles

__all__ = ["has_unsaved"]

logger = logging.getLogger(__name__)


def has_unsaved(session_id: str) -> bool:
    """Return True if work would be lost with this session. Any thread may call."""
    files = uploaded_files()
    if isinstance(files, UploadedFiles) and files.has(session_id):
        return True
    found = session_manager().get_session_info(session_id)
    if found is None:
        return False
    try:
        return has_edits(found.session.session_state.filtered_state)
    except (RuntimeError, KeyError):  # it is changing right now, so somebody is using it
        return True
    except Exception as error:  # the browser may send anything as a field's value
        logger.warning("The state of a page cannot be read", extra={"error": repr(error)})
        return False
