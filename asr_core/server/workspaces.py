"""Users' recordings and files, which outlive the page that shows them.

A workspace holds the recordings and files of one page. A broken connection, a sleeping laptop
or a reload finds it again. It is deleted when it has had no page for ``retention_s()``.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from asr_core.full_context.jobs import JobQueue
from asr_core.settings import read_settings
from asr_core.streaming.recording_controller import RecordingController

__all__ = ["RECONNECT_GRACE_S", "Workspace", "Workspaces", "retention_s"]

logger = logging.getLogger(__name__)

RECONNECT_GRACE_S = 30.0
"""Time in which a broken connection is re-established; an empty workspace is kept no longer."""


def retention_s() -> float:
    """Return the seconds a workspace is kept without a page (``ASR_KEEP_MINUTES``)."""
    return 60 * read_settings().keep_minutes


@dataclass(eq=False)
class Workspace:
    """Recordings and files of one page.

    Attributes:
        visitor: id of the owner.
        recordings: live recordings, with their own threading rules.
        files: uploaded files, with their own threading rules.
        session_id: the page that has it now, or had it last.
        address: network address of the page, if known.
        created_at: on the clock of its ``Workspaces``.
    """

    visitor: str
    session_id: str
    address: str | None = None
    created_at: float = 0.0
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    recordings: RecordingController = field(default_factory=RecordingController)
    files: JobQueue = field(init=False)

    def __post_init__(self) -> None:
        """Charge both to the visitor's quota."""
        self.recordings.owner = self.visitor
        self.files = JobQueue(self.visitor, self.address)

    @property
    def is_empty(self) -> bool:
        """True if nothing would be lost with it."""
        if self.recordings.all or self.recordings.queue_position is not None:
            return False
        return not self.files.jobs

    def close(self) -> None:
        """Stop and delete everything in it."""
        self.recordings.close()
        self.files.clear()


class Workspaces:
    """Workspaces of this process. Any thread may call; the lock is held briefly.

    Args:
        is_open: returns whether a session's page is connected.
        has_unsaved: returns whether a session's page has input that is stored nowhere else.
        clock: monotonic clock, seconds.
        retention_s: how long a workspace is kept without a page.
    """

    def __init__(
        self,
        is_open: Callable[[str], bool],
        has_unsaved: Callable[[str], bool] = lambda session_id: False,
        *,
        clock: Callable[[], float] = time.monotonic,
        retention_s: float,
    ) -> None:
        self._is_open, self._has_unsaved = is_open, has_unsaved
        self._clock, self._retention_s = clock, retention_s
        self._lock = threading.Lock()  # guards the three below
        self._by_session: dict[str, Workspace] = {}
        self._seen_at: dict[Workspace, float] = {}  # when each last had a page
        self._expired_at: dict[str, float] = {}  # when work was deleted, by visitor

    def claim(
        self,
        session_id: str,
        visitor: str,
        *,
        address: str | None = None,
        may_move: bool = True,
    ) -> Workspace:
        """Return a page's workspace; an empty page takes over what its visitor left behind.

        A new page takes over at once, as it was reloaded. An older one first gives the other
        page time to reconnect.

        Args:
            session_id: the page's session.
            visitor: id of the visitor.
            address: network address of the page.
            may_move: whether the page is not busy with its present workspace.
        """
        now = self._clock()
        with self._lock:
            own = self._by_session.get(session_id)
            if own is not None and own.visitor != visitor:
                own = None
            found = own
            if own is None or (own.is_empty and may_move):
                is_new = own is None or now - own.created_at < RECONNECT_GRACE_S
                left = self._abandoned_by(visitor, now - (0.0 if is_new else RECONNECT_GRACE_S))
                found = left or own or Workspace(visitor, session_id, address, now)
            assert found is not None
            if found is not own:
                if own is not None:
                    del self._seen_at[own]
                self._by_session.pop(found.session_id, None)
                found.session_id = session_id
                self._by_session[session_id] = found
            self._seen_at[found] = now
            return found

    def owner_of(self, session_id: str) -> str | None:
        """Return the visitor id of a session, or None."""
        found = self._by_session.get(session_id)
        return found.visitor if found is not None else None

    def has_content(self, session_id: str) -> bool:
        """Return whether a session has anything that its page would find again."""
        found = self._by_session.get(session_id)
        return found is not None and (not found.is_empty or self._has_unsaved(session_id))

    def find(self, workspace_id: str, visitor: str) -> Workspace | None:
        """Return a workspace by its id if it belongs to ``visitor``, otherwise None."""
        with self._lock:
            return next(
                (w for w in self._seen_at if w.id == workspace_id and w.visitor == visitor), None
            )

    def pop_expired_ago_s(self, visitor: str) -> float | None:
        """Return once how many seconds ago the visitor's work was deleted, or None."""
        with self._lock:
            expired_at = self._expired_at.pop(visitor, None)
        return None if expired_at is None else self._clock() - expired_at

    def sweep(self) -> None:
        """Delete workspaces without a page for too long; call every few seconds."""
        now = self._clock()
        expired: list[Workspace] = []
        with self._lock:
            for workspace in list(self._seen_at):
                if self._is_open(workspace.session_id):
                    self._seen_at[workspace] = now
                elif self._is_expired(workspace, now):
                    expired.append(workspace)
                    del self._seen_at[workspace]
                    self._by_session.pop(workspace.session_id, None)
        for workspace in expired:
            if not workspace.is_empty:
                self._note_expired(workspace.visitor)
            workspace.close()

    def close(self) -> None:
        """Close all workspaces."""
        with self._lock:
            everything, self._seen_at, self._by_session = list(self._seen_at), {}, {}
        for workspace in everything:
            workspace.close()

    def __len__(self) -> int:
        return len(self._seen_at)

    def _abandoned_by(self, visitor: str, until: float) -> Workspace | None:
        """Return the visitor's latest non-empty workspace without a page since ``until``."""
        left = [
            workspace
            for workspace, seen_at in self._seen_at.items()
            if workspace.visitor == visitor
            and seen_at <= until
            and not self._is_open(workspace.session_id)
            and not workspace.is_empty
        ]
        return max(left, key=self._seen_at.__getitem__, default=None)

    def _is_expired(self, workspace: Workspace, now: float) -> bool:
        without_page_s = now - self._seen_at[workspace]
        empty_s = min(RECONNECT_GRACE_S, self._retention_s)
        if without_page_s <= empty_s:
            return False
        is_empty = workspace.is_empty and not self._has_unsaved(workspace.session_id)
        return is_empty or without_page_s > self._retention_s

    def _note_expired(self, visitor: str) -> None:
        logger.info("a visitor's workspace was deleted")
        with self._lock:
            self._expired_at[visitor] = self._clock()
            while len(self._expired_at) > _MAX_EXPIRY_NOTES:
                del self._expired_at[next(iter(self._expired_at))]


_MAX_EXPIRY_NOTES = 1000
