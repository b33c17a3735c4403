"""Permissions, audit log and size limits, which every call of the store goes through."""

from __future__ import annotations

import copy
import logging
import uuid
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.orm import Session

from asr_core.errors import StoreError
from asr_core.evaluation.roles import NOBODY, Actor
from asr_core.evaluation.store.audio_files import AudioFiles
from asr_core.evaluation.store.database import Database
from asr_core.evaluation.store.records import Audit, audit_from_row, utc_now
from asr_core.evaluation.store.schema import AuditRow, CaseRow, FlagRow, NoiseRow, RunRow

__all__ = ["Access", "check_capacity"]

logger = logging.getLogger(__name__)

_N_IDS = 10  # kept per audit entry

# Every tester's page loads them all.
_MOST_ROWS: dict[type[Any], tuple[int, str]] = {
    CaseRow: (20_000, "recordings"),
    FlagRow: (20_000, "flags"),
    NoiseRow: (200, "noises"),
    RunRow: (2_000, "runs"),
}


class Access:
    """Access to the database and the audio files, on behalf of an actor."""

    def __init__(self, url: str | sa.URL, folder: Path, max_mb: float = float("inf")) -> None:
        self._database = Database(url)
        self._audio_files = AudioFiles(folder)
        self._max_bytes = max_mb * 1e6
        self._actor = NOBODY
        self._audio_files.sweep(self._audio_ids())

    def acting(self, actor: Actor) -> Self:
        """Return the same store on behalf of ``actor``.

        A store as opened acts for nobody and refuses everything.
        """
        other = copy.copy(self)
        other._actor = actor
        return other

    @property
    def actor(self) -> Actor:
        """Person on whose behalf the store acts; pages ask it what to hide."""
        return self._actor

    @property
    def shared(self) -> Hashable:
        """Object that all views of a store share."""
        return self._database

    def close(self) -> None:
        """Close the store, for all its actors."""
        self._database.close()

    def used_mb(self) -> float:
        """Return the size of the audio kept, in MB."""
        self._check_reading()
        with self._database.reading() as session:
            return _used_bytes(session) / 1e6

    @property
    def max_mb(self) -> float:
        """Limit on the size of the audio, in MB."""
        return self._max_bytes / 1e6

    def audit(self, limit: int = 100) -> list[Audit]:
        """Return the newest ``limit`` entries of the audit log, newest first."""
        self._check(self._actor.may_audit, "Only operators may read who changed what.")
        with self._database.reading() as session:
            order = sa.select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
            return [audit_from_row(row) for row in session.scalars(order)]

    # --- rights --------------------------------------------------------------------

    def _check(self, allowed: bool, sentence: str) -> None:
        if not allowed:
            logger.warning(
                "Refused %s (%s): %s", self._actor.name or "nobody", self._actor.role.name, sentence
            )
            raise StoreError(sentence)

    def _check_reading(self) -> None:
        self._check(self._actor.may_read, "Only testers may see what is in the test bench.")

    def _check_adding(self) -> None:
        self._check(self._actor.may_add, "Only testers may add to the test bench.")

    def _check_reviewing(self) -> None:
        self._check(self._actor.may_review, "Only reviewers may change what is in the test bench.")

    def _check_deleting(self, owners: Iterable[str]) -> None:
        self._check_adding()
        self._check(
            all(map(self._actor.may_delete, owners)),
            "This was added by somebody else: only they and reviewers may delete it. Nothing "
            "was changed.",
        )

    # --- audit ---------------------------------------------------------------------

    def _note(self, session: Session, what: str, ids: Iterable[str]) -> None:
        """Write an audit entry within the transaction that makes the change; none for no rows."""
        known = list(ids)
        if not known:
            return
        who, role = self._actor.name, self._actor.role.name.lower()
        first = known[:_N_IDS]
        session.add(AuditRow(at=utc_now(), who=who, role=role, what=what, n=len(known), ids=first))
        session.flush()
        line = f"{who or 'nobody'} ({role}): {what}, {len(known)}: {' '.join(first)}"
        # Logged after the commit, since the change may still fail.
        sa.event.listen(session, "after_commit", lambda _: logger.info("%s", line), once=True)

    # --- audio ---------------------------------------------------------------------

    def _delete_row(self, table: type[Any], row_id: str, what: str, *, has_audio: bool) -> None:
        """Delete a row and its audio, if the actor may."""
        self._check_adding()
        if has_audio:
            self._audio_files.check_deletable([row_id])

        def work(session: Session) -> None:
            row = session.get(table, row_id)
            if row is not None:
                self._check_deleting([row.owner])
                session.delete(row)
                session.flush()
                self._note(session, what, [row_id])

        self._database.deleting(work)
        self._audio_files.delete([row_id] if has_audio else [])
        self._database.keep_spare()

    def _keep(self, flac: bytes) -> tuple[str, int]:
        """Write audio before its row, and return its id and size.

        A crash in between leaves a file that ``sweep`` deletes later.
        """
        with self._database.reading() as session:
            self._check_size(session, len(flac))
        name = uuid.uuid4().hex
        self._audio_files.write(name, flac)
        return name, len(flac)

    def _add(self, row: Any, name: str, n_bytes: int) -> Any:
        with self._cleaning_up(name), self._database.writing() as session:
            self._check_size(session, n_bytes)
            check_capacity(session, type(row))
            session.add(row)
            session.flush()
            session.expunge(row)
        return row

    @contextmanager
    def _cleaning_up(self, name: str) -> Iterator[None]:
        """Delete the audio again if its row cannot be written."""
        try:
            yield
        except BaseException:
            self._audio_files.delete([name])
            raise

    def _check_size(self, session: Session, n_bytes: int) -> None:
        used = _used_bytes(session)
        if used + n_bytes > self._max_bytes:
            raise StoreError(
                f"The test bench's store is full: {used / 1e6:.0f} of {self.max_mb:.0f} MB. "
                "Delete cases, or raise ASR_TESTBENCH_MAX_MB."
            )

    def _audio_ids(self) -> list[str]:
        with self._database.reading() as session:
            return [
                row_id
                for table in (CaseRow, NoiseRow, FlagRow)
                for row_id in session.scalars(sa.select(table.id))
            ]


def check_capacity(session: Session, table: type[Any]) -> None:
    """Check that ``table`` is not full.

    Raises:
        StoreError: it is.
    """
    most, what = _MOST_ROWS[table]
    if (session.scalar(sa.select(sa.func.count()).select_from(table)) or 0) >= most:
        raise StoreError(f"The test bench keeps at most {most} {what}; delete some first.")


def _used_bytes(session: Session) -> int:
    return sum(
        session.scalar(sa.select(sa.func.coalesce(sa.func.sum(table.n_bytes), 0))) or 0
        for table in (CaseRow, NoiseRow, FlagRow)
    )
