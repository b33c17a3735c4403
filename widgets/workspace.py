"""The workspace of the page that is being drawn, and its files."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

import streamlit as st
from streamlit.runtime.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from asr_core.fullcontext import Job
from asr_core.server.gate import ADDRESS_HEADER, VISITOR_HEADER
from asr_core.stored_files import StoredFile, stored_files
from asr_core.workspaces import Workspace, kept_s
from widgets.site import is_gated, workspaces

__all__ = [
    "current_workspace",
    "forget_upload",
    "freed_note",
    "kept_caption",
    "player_source",
    "stored_upload",
]


def current_workspace() -> Workspace:
    """Return what the user of this page has made; a page loaded anew finds it again."""
    may_move = "microphone_opened" not in st.session_state
    session_id, visitor = _session_id(), visitor_id()
    address = st.context.headers.get(ADDRESS_HEADER.decode()) if is_gated() else None
    return workspaces().of(session_id, visitor, address=address, may_move=may_move)


def _session_id() -> str:
    context = get_script_run_ctx()
    assert context is not None, "to be called while a page is drawn"
    return context.session_id


def visitor_id() -> str:
    """Return whose page this is; without the gate nobody vouches for more than the session."""
    session_id = _session_id()
    if not is_gated():
        return f"session {session_id}"
    # While a page is drawn whose connection has just been cut, nobody tells: it is still theirs.
    told = st.context.headers.get(VISITOR_HEADER.decode()) or workspaces().owner_of(session_id)
    if told is None:
        st.stop()
    return told


def stored_upload(file: UploadedFile) -> StoredFile:
    """Return an uploaded file on disk.

    Raises:
        LimitError: there is no room for it.
    """
    manager: Any = Runtime.instance().uploaded_file_mgr
    if is_gated():
        found: StoredFile | None = manager.stored(_session_id(), file.file_id)
        if found is not None:
            return found
    file.seek(0)
    hold = stored_files().reserve(len(file.getbuffer()), visitor_id())
    return stored_files().keep(file.name, file, hold)


def forget_upload(file: UploadedFile) -> None:
    """Have the uploader let go of a file, so that its room is free once nobody else needs it."""
    Runtime.instance().uploaded_file_mgr.remove_file(_session_id(), file.file_id)


def player_source(job: Job) -> str:
    """Return what ``st.audio`` and ``st.video`` play, the file or its copy: an address of ours,
    so that nothing of it is held in memory; without the gate the path, which they read."""
    if not is_gated():
        return str((job.player or job.file).path)
    page = urlsplit(st.context.url or "")
    base = str(st.get_option("server.baseUrlPath")).strip("/")
    root = f"{page.scheme}://{page.netloc}" + (f"/{base}" if base else "")
    address = f"{root}/files/{current_workspace().id}/{quote(job.key)}"
    return f"{address}?copy" if job.player else address  # other sound has another address


def kept_caption() -> None:
    """Say how long things are kept."""
    minutes = f"{kept_s() / 60:g} minutes"
    if is_gated():
        st.caption(
            f"What you make here is kept until you clear it, and for {minutes} after this page was "
            "closed or lost its connection: load it again in this browser, and everything is there."
        )
    else:
        st.caption(
            f"What you make here is kept until you clear it, and for {minutes} after this page lost "
            "its connection. Save it before you close or reload the page."
        )


def freed_note() -> None:
    """Say once that something was freed."""
    freed_s = workspaces().freed_for(visitor_id())
    if freed_s is not None:
        st.info(
            "Your earlier takes and transcripts were deleted "
            f"{max(1, round(freed_s / 60))} min ago: they are kept for {kept_s() / 60:g} minutes "
            "after your last page was closed.",
            icon=":material/auto_delete:",
        )
