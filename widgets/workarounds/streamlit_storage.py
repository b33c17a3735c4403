"""Storage for disconnected sessions and uploads, in place of Streamlit's own (1.67).

Streamlit drops a disconnected session by count and age alone, without shutting it down, and holds
uploads in memory. Here a session lives as long as what was made in it, is shut down when it is
dropped, and uploads lie on disk.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from streamlit.runtime.runtime import Runtime
from streamlit.runtime.session_manager import SessionInfo, SessionStorage
from streamlit.runtime.uploaded_file_manager import UploadedFileRec, UploadFileUrlInfo
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from asr_core.full_context.stored_files import StoredFile
from widgets.workarounds.streamlit_runtime import event_loop, session_manager

__all__ = [
    "DisconnectedSessions",
    "UploadedFiles",
    "disconnected_sessions",
    "install_session_storage",
    "install_storage",
]

logger = logging.getLogger(__name__)

# Sessions without a page; each holds three file descriptors until it is shut down.
_MAX_DISCONNECTED = 100


class DisconnectedSessions(SessionStorage):
    """Sessions whose pages are gone.

    Only for the server's event loop. The loop sends what every page shows and an exception here
    would end it, so none is raised.

    Attributes:
        is_needed: True for a session in which something was made; those are dropped last.
    """

    def __init__(self, **_: Any) -> None:
        self._sessions: dict[str, tuple[SessionInfo, float]] = {}
        self.is_needed: Callable[[str], bool] = lambda session_id: False

    def get(self, session_id: str) -> SessionInfo | None:
        """Return a session that may reconnect."""
        found = self._sessions.get(session_id)
        return found[0] if found is not None else None

    def save(self, session_info: SessionInfo) -> None:
        """Store a disconnected session, dropping the oldest if there are too many."""
        self._sessions[session_info.session.id] = (session_info, time.monotonic())
        while len(self._sessions) > _MAX_DISCONNECTED:
            oldest = next(iter(self._sessions))
            try:
                unneeded = (name for name in self._sessions if not self.is_needed(name))
                dropped = next(unneeded, oldest)
            except Exception:
                logger.exception("Cannot tell which disconnected session is needed")
                dropped = oldest
            self._drop(dropped)

    def _drop(self, session_id: str) -> None:
        try:
            self._sessions.pop(session_id)[0].session.shutdown()
        except Exception:
            logger.exception("A disconnected session could not be shut down")

    def delete(self, session_id: str) -> None:
        """Forget a session that has reconnected."""
        self._sessions.pop(session_id, None)

    def list(self) -> list[SessionInfo]:
        """Return all sessions, the oldest first."""
        return [info for info, _ in self._sessions.values()]

    def close_expired(self, is_needed: Callable[[str], bool], older_than_s: float) -> None:
        """Close sessions that nobody needs and that had time to reconnect."""
        self.is_needed = is_needed
        now = time.monotonic()
        for session_id, (_, disconnected_at) in list(self._sessions.items()):
            if now - disconnected_at > older_than_s and not is_needed(session_id):
                Runtime.instance().close_session(session_id)


class UploadedFiles:
    """Uploads of all sessions, on disk. Any thread may call."""

    stats_families: Sequence[str] = ()

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()  # guards _files
        self._files: dict[str, dict[str, tuple[UploadedFileRec, StoredFile]]] = {}

    def keep(self, session_id: str, file_id: str, kind: str, file: StoredFile) -> None:
        """Add a file to a session."""
        # Pages read the file on disk: see widgets.workspace.stored_upload.
        record = UploadedFileRec(file_id, file.name, kind, b"")
        with self._lock:
            self._files.setdefault(session_id, {})[file_id] = (record, file)

    def stored(self, session_id: str, file_id: str) -> StoredFile | None:
        """Return the file on disk."""
        with self._lock:
            found = self._files.get(session_id, {}).get(file_id)
        return found[1] if found is not None else None

    def has(self, session_id: str) -> bool:
        """Return True if a session has uploads."""
        with self._lock:
            return bool(self._files.get(session_id))

    def get_files(self, session_id: str, file_ids: Sequence[str]) -> list[UploadedFileRec]:
        """Return the records that Streamlit's uploader shows."""
        with self._lock:
            files = self._files.get(session_id, {})
            return [files[file_id][0] for file_id in file_ids if file_id in files]

    def remove_file(self, session_id: str, file_id: str) -> None:
        """Release a file; it is deleted unless something else holds it."""
        with self._lock:
            self._files.get(session_id, {}).pop(file_id, None)

    def remove_session_files(self, session_id: str) -> None:
        """Release all files of a session."""
        with self._lock:
            self._files.pop(session_id, None)

    def keep_only(self, exists: Callable[[str], bool]) -> None:
        """Release the files of sessions that no longer exist."""
        with self._lock:
            for session_id in [name for name in self._files if not exists(name)]:
                del self._files[session_id]

    def get_upload_urls(
        self, session_id: str, file_names: Sequence[str]
    ) -> list[UploadFileUrlInfo]:
        """Return an address for each file that a browser is about to send."""
        ids = [str(uuid.uuid4()) for _ in file_names]
        urls = [f"{self._endpoint}/{session_id}/{file_id}" for file_id in ids]
        return [UploadFileUrlInfo(i, url, url) for i, url in zip(ids, urls, strict=True)]

    def add_file(self, session_id: str, file: UploadedFileRec) -> None:
        """Do nothing: the gate receives uploads, before Streamlit could hold them in memory."""

    def get_stats(self, family_names: Sequence[str] | None = None) -> dict[str, list[Any]]:
        """Return no statistics: the process's budget counts uploads."""
        return {}


def install_storage() -> None:
    """Have Streamlit's next runtime use both storages.

    ``App._create_runtime`` imports the two classes by name and has no setting for them.
    """
    from streamlit.runtime import memory_session_storage, memory_uploaded_file_manager

    vars(memory_session_storage)["MemorySessionStorage"] = DisconnectedSessions
    vars(memory_uploaded_file_manager)["MemoryUploadedFileManager"] = UploadedFiles


def install_session_storage() -> None:
    """Give a runtime that is already running a ``DisconnectedSessions``, once."""
    event_loop().call_soon_threadsafe(_install_session_storage)


def _install_session_storage() -> None:
    if disconnected_sessions() is not None:
        return
    sessions = DisconnectedSessions()
    manager: WebsocketSessionManager = session_manager()
    for info in manager._session_storage.list():
        sessions.save(info)
    manager._session_storage = sessions


def disconnected_sessions() -> DisconnectedSessions | None:
    """Return the runtime's storage; None before it is installed. Any thread may call."""
    storage = session_manager()._session_storage
    return storage if isinstance(storage, DisconnectedSessions) else None
