"""Parts that take the place of Streamlit's own (1.67): where sessions and uploads are kept.

Streamlit keeps a session whose page is gone by count and age alone, lets go of it without
ending it, and holds uploads in memory. Here a session lives as long as what it made, is
ended when it is given up, and files lie on disk.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from streamlit.runtime.runtime import Runtime
from streamlit.runtime.session_manager import SessionInfo, SessionStorage
from streamlit.runtime.uploaded_file_manager import UploadedFileRec, UploadFileUrlInfo

from asr_core.stored_files import StoredFile

__all__ = [
    "LeftSessions",
    "UploadedFiles",
    "end_sessions_that_are_left",
    "pages_fault",
    "put_in_place",
    "server_loop",
]

logger = logging.getLogger(__name__)

_MOST_LEFT = 100
"""Sessions without a page; each holds three descriptors until it is ended."""


class LeftSessions(SessionStorage):
    """Sessions whose pages are gone. For the server's event loop only, which sends what all
    pages show and ends with anything that is raised here: nothing is.

    Attributes:
        is_needed: whether a session's page has made something; those are given up last.
    """

    def __init__(self, **_: Any) -> None:
        self._left: dict[str, tuple[SessionInfo, float]] = {}
        self.is_needed: Callable[[str], bool] = lambda session_id: False

    def get(self, session_id: str) -> SessionInfo | None:
        """Return a session that may be taken up again."""
        found = self._left.get(session_id)
        return found[0] if found is not None else None

    def save(self, session_info: SessionInfo) -> None:
        """Keep one whose page has gone; the one that was left first makes room."""
        self._left[session_info.session.id] = (session_info, time.monotonic())
        while len(self._left) > _MOST_LEFT:
            try:
                empty = (session_id for session_id in self._left if not self.is_needed(session_id))
                least = next(empty, next(iter(self._left)))
            except Exception:
                logger.exception("It cannot be told which page is needed least")
                least = next(iter(self._left))
            self._end(least)

    def _end(self, session_id: str) -> None:
        try:
            self._left.pop(session_id)[0].session.shutdown()
        except Exception:
            logger.exception("A page that was left could not be ended")

    def delete(self, session_id: str) -> None:
        """Let go of one that has a page again."""
        self._left.pop(session_id, None)

    def list(self) -> list[SessionInfo]:
        """Return all, those that were left first in front."""
        return [info for info, _ in self._left.values()]

    def end_old(self, is_needed: Callable[[str], bool], older_than_s: float) -> None:
        """End those that nobody needs and that had time to come back."""
        self.is_needed = is_needed
        now = time.monotonic()
        for session_id, (_, left_at) in list(self._left.items()):
            if now - left_at > older_than_s and not is_needed(session_id):
                Runtime.instance().close_session(session_id)


class UploadedFiles:
    """Files that pages have sent, on disk. Any thread may call."""

    stats_families: Sequence[str] = ()

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()  # guards the one below
        self._files: dict[str, dict[str, tuple[UploadedFileRec, StoredFile]]] = {}

    def keep(self, session_id: str, file_id: str, kind: str, file: StoredFile) -> None:
        """Hand ``file`` to the page with this session."""
        # What pages read lies on disk: see ``widgets.workspace.stored_upload``.
        record = UploadedFileRec(file_id, file.name, kind, b"")
        with self._lock:
            self._files.setdefault(session_id, {})[file_id] = (record, file)

    def stored(self, session_id: str, file_id: str) -> StoredFile | None:
        """Return the file on disk."""
        with self._lock:
            found = self._files.get(session_id, {}).get(file_id)
        return found[1] if found is not None else None

    def has(self, session_id: str) -> bool:
        """Whether the page with this session has sent any that it still has."""
        with self._lock:
            return bool(self._files.get(session_id))

    def get_files(self, session_id: str, file_ids: Sequence[str]) -> list[UploadedFileRec]:
        """Return what Streamlit's uploader shows of them."""
        with self._lock:
            files = self._files.get(session_id, {})
            return [files[file_id][0] for file_id in file_ids if file_id in files]

    def remove_file(self, session_id: str, file_id: str) -> None:
        """Let go of one; it is deleted unless somebody else needs it."""
        with self._lock:
            self._files.get(session_id, {}).pop(file_id, None)

    def remove_session_files(self, session_id: str) -> None:
        """Let go of all of a session."""
        with self._lock:
            self._files.pop(session_id, None)

    def keep_only(self, exists: Callable[[str], bool]) -> None:
        """Let go of the files of sessions that are no more."""
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
        """Do nothing: the gate takes files in, before Streamlit could hold them in memory."""

    def get_stats(self, family_names: Sequence[str] | None = None) -> dict[str, list[Any]]:
        """Return nothing: the process's budget counts them."""
        return {}


def put_in_place() -> None:
    """Have Streamlit make its runtime with these parts; to be called before it does.

    It has no setting for them: ``App._create_runtime`` imports both by name.
    """
    from streamlit.runtime import memory_session_storage, memory_uploaded_file_manager

    vars(memory_session_storage)["MemorySessionStorage"] = LeftSessions
    vars(memory_uploaded_file_manager)["MemoryUploadedFileManager"] = UploadedFiles


def end_sessions_that_are_left() -> None:
    """Put ``LeftSessions`` into a runtime that runs already; a second call does nothing."""
    server_loop().call_soon_threadsafe(_put_into_runtime)


def _put_into_runtime() -> None:
    manager: Any = Runtime.instance()._session_mgr
    if isinstance(manager._session_storage, LeftSessions):
        return
    left = LeftSessions()
    for info in manager._session_storage.list():
        left.save(info)
    manager._session_storage = left


def pages_fault() -> str | None:
    """Return why no page is drawn any more; None if pages are. Any thread may call."""
    if Runtime.exists() and Runtime.instance()._get_async_objs().stopped.done():
        return "Streamlit's loop, which sends pages, has ended; start the app again."
    return None


def server_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that the server runs in. Any thread may call.

    streamlit-webrtc has the same function, but its component is served only if a page is the
    first to import it.
    """
    return Runtime.instance()._get_async_objs().eventloop
