"""What users have made, with a life of its own.

A workspace holds the takes and the files of one page. It outlives the page: a connection
that breaks, a laptop that sleeps, a page that is loaded anew finds it again. It ends, with
all that it holds, when its visitor has had no page for ``kept_s()``.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from asr_core.fullcontext.jobs import JobQueue
from asr_core.live.takes import Takes

__all__ = ["COMES_BACK_S", "Workspace", "Workspaces", "kept_s"]

logger = logging.getLogger(__name__)

_KEPT_MINUTES = 20.0

COMES_BACK_S = 30.0
"""A connection that broke is made again sooner; where nothing was made, nothing is kept after
that."""


def kept_s() -> float:
    """Seconds that a workspace is kept without a page; ``ASR_KEEP_MINUTES`` changes it."""
    try:
        minutes = float(os.environ.get("ASR_KEEP_MINUTES") or _KEPT_MINUTES)
    except ValueError:
        minutes = _KEPT_MINUTES
    return 60 * minutes if minutes > 0 else 60 * _KEPT_MINUTES


@dataclass(eq=False)
class Workspace:
    """What one page shows and has made.

    Attributes:
        visitor: whose it is.
        takes: what was spoken; has its own rules for threads.
        files: what was sent; has its own rules for threads.
        session_id: of the page that has it now, or had it last.
        address: that the page was asked for from, where that is known.
        made_at: on the clock of its ``Workspaces``.
    """

    visitor: str
    session_id: str
    address: str | None = None
    made_at: float = 0.0
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    takes: Takes = field(default_factory=Takes)
    files: JobQueue = field(init=False)

    def __post_init__(self) -> None:
        """Have both take from the visitor's part of the budget."""
        self.takes.owner = self.visitor
        self.files = JobQueue(self.visitor, self.address)

    @property
    def is_empty(self) -> bool:
        """Nothing would be lost with it."""
        return not self.takes.all and self.takes.place is None and not self.files.jobs

    def close(self) -> None:
        """End everything in it, and forget it."""
        self.takes.close()
        self.files.clear()


class Workspaces:
    """All of this process. Any thread may call; the lock is held for moments.

    Args:
        is_open: whether the page with this session has a connection now.
        has_unsaved: whether the page with this session has something that is nowhere else.
        clock: seconds, monotonic.
        kept_s: how long a workspace is kept without a page.
    """

    def __init__(
        self,
        is_open: Callable[[str], bool],
        has_unsaved: Callable[[str], bool] = lambda session_id: False,
        *,
        clock: Callable[[], float] = time.monotonic,
        kept_s: float = 60 * _KEPT_MINUTES,
    ) -> None:
        self._is_open, self._has_unsaved = is_open, has_unsaved
        self._clock, self._kept_s = clock, kept_s
        self._lock = threading.Lock()  # guards the three below
        self._by_session: dict[str, Workspace] = {}
        self._seen: dict[Workspace, float] = {}  # when each last had a page
        self._freed: dict[str, float] = {}  # for whom something was freed, and when

    def of(
        self,
        session_id: str,
        visitor: str,
        *,
        address: str | None = None,
        may_move: bool = True,
    ) -> Workspace:
        """Return the workspace of a page; one with nothing in it yet takes over what its
        visitor left.

        A page that is new takes it over at once: it was loaded anew. One that was there before
        gives the other time to come back, since its connection may only have been cut.

        Args:
            address: that the page was asked for from.
            may_move: the page does nothing at this moment that belongs to the one it has.
        """
        now = self._clock()
        with self._lock:
            own = self._by_session.get(session_id)
            if own is not None and own.visitor != visitor:
                own = None
            found = own
            if own is None or (own.is_empty and may_move):
                is_new = own is None or now - own.made_at < COMES_BACK_S
                left = self._left_by(visitor, now - (0.0 if is_new else COMES_BACK_S))
                found = left or own or Workspace(visitor, session_id, address, now)
            assert found is not None
            if found is not own:
                if own is not None:
                    del self._seen[own]
                self._by_session.pop(found.session_id, None)
                found.session_id = session_id
                self._by_session[session_id] = found
            self._seen[found] = now
            return found

    def owner_of(self, session_id: str) -> str | None:
        """Return the visitor whose page has this session."""
        found = self._by_session.get(session_id)
        return found.visitor if found is not None else None

    def holds(self, session_id: str) -> bool:
        """Whether a page with this session would find something that it made."""
        found = self._by_session.get(session_id)
        return found is not None and (not found.is_empty or self._has_unsaved(session_id))

    def find(self, workspace_id: str, visitor: str) -> Workspace | None:
        """Return a visitor's workspace by its id; nobody else's."""
        with self._lock:
            return next(
                (w for w in self._seen if w.id == workspace_id and w.visitor == visitor), None
            )

    def freed_for(self, visitor: str) -> float | None:
        """Return how many seconds ago something of this visitor's was freed, once; None if
        nothing was."""
        with self._lock:
            freed = self._freed.pop(visitor, None)
        return None if freed is None else self._clock() - freed

    def sweep(self) -> None:
        """End what has had no page for too long. To be called every few seconds."""
        now = self._clock()
        gone: list[Workspace] = []
        with self._lock:
            for workspace in list(self._seen):
                if self._is_open(workspace.session_id):
                    self._seen[workspace] = now
                elif self._is_over(workspace, now):
                    gone.append(workspace)
                    del self._seen[workspace]
                    self._by_session.pop(workspace.session_id, None)
        for workspace in gone:
            if not workspace.is_empty:
                self._note_freed(workspace.visitor)
            workspace.close()

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            everything, self._seen, self._by_session = list(self._seen), {}, {}
        for workspace in everything:
            workspace.close()

    def __len__(self) -> int:
        return len(self._seen)

    def _left_by(self, visitor: str, until: float) -> Workspace | None:
        """The newest that has had no page since ``until``, if it holds something."""
        left = [
            workspace
            for workspace, seen_at in self._seen.items()
            if workspace.visitor == visitor
            and seen_at <= until
            and not self._is_open(workspace.session_id)
            and not workspace.is_empty
        ]
        return max(left, key=self._seen.__getitem__, default=None)

    def _is_over(self, workspace: Workspace, now: float) -> bool:
        without_page_s = now - self._seen[workspace]
        empty_s = min(COMES_BACK_S, self._kept_s)
        if without_page_s <= empty_s:
            return False
        is_empty = workspace.is_empty and not self._has_unsaved(workspace.session_id)
        return is_empty or without_page_s > self._kept_s

    def _note_freed(self, visitor: str) -> None:
        logger.info("what a visitor had made was freed")
        with self._lock:
            self._freed[visitor] = self._clock()
            while len(self._freed) > _MAX_NOTES:
                del self._freed[next(iter(self._freed))]


_MAX_NOTES = 1000
