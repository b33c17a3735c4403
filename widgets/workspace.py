"""Workspace of the page being drawn, and its uploaded files."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from asr_core.full_context import Job
from asr_core.full_context.stored_files import StoredFile, stored_files
from asr_core.server.gate import ADDRESS_HEADER, VISITOR_HEADER
from asr_core.server.workspaces import Workspace, retention_s
from widgets.site import is_gated, workspaces
from widgets.workarounds.streamlit_runtime import current_session_id, uploaded_files

__all__ = [
    "current_workspace",
    "expiry_notice",
    "player_url",
    "release_upload",
    "retention_caption",
    "stored_upload",
]


def current_workspace() -> Workspace:
    """Return the visitor's workspace, which a reloaded page finds again."""
    may_move = "microphone_opened" not in st.session_state
    session_id, visitor = current_session_id(), visitor_id()
    address = st.context.headers.get(ADDRESS_HEADER.decode()) if is_gated() else None
    return workspaces().claim(session_id, visitor, address=address, may_move=may_move)


def visitor_id() -> str:
    """Return the id of the page's visitor; without a gate, that of the session."""
    session_id = current_session_id()
    if not is_gated():
        return f"session {session_id}"
    # A page whose connection was just cut has no header, but it still has its owner.
    visitor = st.context.headers.get(VISITOR_HEADER.decode()) or workspaces().owner_of(session_id)
    if visitor is None:
        st.stop()
    return visitor


def stored_upload(file: UploadedFile) -> StoredFile:
    """Return an uploaded file on disk.

    Raises:
        LimitError: there is no room for it.
    """
    if is_gated():
        found: StoredFile | None = uploaded_files().stored(current_session_id(), file.file_id)
        if found is not None:
            return found
    file.seek(0)
    hold = stored_files().reserve(len(file.getbuffer()), visitor_id())
    return stored_files().keep(file.name, file, hold)


def release_upload(file: UploadedFile) -> None:
    """Remove a file from the uploader, so that its space is freed once nothing else uses it."""
    uploaded_files().remove_file(current_session_id(), file.file_id)


def player_url(job: Job) -> str:
    """Return the source for ``st.audio`` and ``st.video``: the file or its playback copy.

    Behind the gate it is an address of this server, so that the file is not held in memory;
    otherwise it is the path.
    """
    if not is_gated():
        return str((job.playback_copy or job.file).path)
    page = urlsplit(st.context.url or "")
    base = str(st.get_option("server.baseUrlPath")).strip("/")
    root = f"{page.scheme}://{page.netloc}" + (f"/{base}" if base else "")
    address = f"{root}/files/{current_workspace().id}/{quote(job.key)}"
    return (
        f"{address}?copy" if job.playback_copy else address
    )  # different audio needs a different address


def retention_caption() -> None:
    """Draw how long the visitor's work is kept."""
    minutes = f"{retention_s() / 60:g} minutes"
    if is_gated():
        st.caption(
            f"Your work is kept until you clear it, and for {minutes} after this page is closed or "
            "loses its connection. Reopen it in this browser to find everything again."
        )
    else:
        st.caption(
            f"Your work is kept until you clear it, and for {minutes} after this page loses its "
            "connection. Save it before you close or reload the page."
        )


def expiry_notice() -> None:
    """Draw, once, that the visitor's earlier work has expired."""
    expired_ago_s = workspaces().pop_expired_ago_s(visitor_id())
    if expired_ago_s is not None:
        st.info(
            "Your earlier recordings and transcripts were deleted "
            f"{max(1, round(expired_ago_s / 60))} min ago. They are kept for {retention_s() / 60:g} minutes "
            "after your last page is closed.",
            icon=":material/auto_delete:",
        )
