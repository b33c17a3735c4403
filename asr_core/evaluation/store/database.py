"""Database connection of the store, and upgrades of its schema."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy.orm import Session

from asr_core.errors import StoreError
from asr_core.evaluation.store.spare_file import SpareFile

__all__ = ["Database"]

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_WAIT_S = 30
"""Seconds to wait for another writer."""

_MIGRATION_LOCK_ID = 0x5EA4  # PostgreSQL's advisory lock for migrations

_MIGRATIONS = Path(__file__).with_name("migrations")

# SQLite's primary result codes.
_BUSY, _LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL, _CANTOPEN, _NOTADB = 5, 6, 8, 10, 11, 13, 14, 26

_NO_ROOM = "The disk of the test-bench database is full; make room, or delete recordings."
_READ_ONLY = "The test-bench database can only be read: its disk or its folder is read-only."
# A reader has to write only to roll back a change that a crash interrupted.
_INTERRUPTED = (
    "A change of the test-bench database was interrupted, and its disk is read-only, so the change "
    "cannot be rolled back; make it writable once."
)
_BUSY_SENTENCE = "The test-bench database is busy with another change; try again."
_DAMAGED = "The test-bench database is damaged; restore it from a backup."
_SENTENCES: dict[int | str, str] = {
    _BUSY: _BUSY_SENTENCE,
    _LOCKED: _BUSY_SENTENCE,
    _READONLY: _READ_ONLY,
    _CORRUPT: _DAMAGED,
    _NOTADB: _DAMAGED,
    _FULL: _NO_ROOM,
    _CANTOPEN: "The test-bench database cannot be opened; look at its folder's permissions.",
    # PostgreSQL's states.
    "53100": _NO_ROOM,
    "25006": _READ_ONLY,
    "55P03": _BUSY_SENTENCE,
    "57014": _BUSY_SENTENCE,
}
_UNKNOWN_FAILURE = (
    "The test-bench database rejected the change; try again. If that does not help, the "
    "server's log says why."
)


class Database:
    """Database connection; any thread may call, and every change is one transaction.

    Args:
        url: of SQLAlchemy.

    Raises:
        StoreError: it cannot be reached, or comes from a newer version of this app.
    """

    def __init__(self, url: str | sa.URL) -> None:
        try:
            known = sa.make_url(url)
            self._engine = sa.create_engine(known, **_options(known))
        except sa.exc.ArgumentError:  # its message holds the URL, and that the password
            raise StoreError(
                "ASR_TESTBENCH_URL is no URL of a database, such as postgresql+psycopg://…"
            ) from None
        except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
            raise StoreError(f"The test-bench database cannot be opened: {error}.") from None
        self._spare = SpareFile(None)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine, "begin", _begin_immediate)
            if known.database and not known.database.startswith((":memory:", "file:")):
                self._spare = SpareFile(Path(f"{known.database}.spare"))
        self._readers = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with self._translate_errors(_INTERRUPTED):
            self._migrate()
        self.keep_spare()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Provide a session in one transaction."""
        with self._translate_errors(), Session(self._engine) as session, session.begin():
            yield session

    def deleting(self, work: Callable[[Session], Result]) -> Result:
        """Run ``work`` in one transaction, on a full disk too.

        ``work`` may be called twice, since the first attempt may fail for lack of space.
        """
        try:
            with self.writing() as session:
                return work(session)
        except StoreError as error:
            if not (_needs_space(error.__cause__) and self._spare.release()):
                raise
        with self.writing() as session:
            return work(session)

    def keep_spare(self) -> None:
        """Reserve space for later deletions again."""
        self._spare.keep()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Provide a session without a transaction, so that readers do not keep writers waiting."""
        with (
            self._translate_errors(_INTERRUPTED),
            Session(self._readers, expire_on_commit=False) as session,
        ):
            yield session

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _translate_errors(self, read_only: str = _READ_ONLY) -> Iterator[None]:
        """Turn database errors into StoreError with a sentence."""
        try:
            yield
        except sa.exc.IntegrityError:
            raise
        except sa.exc.SQLAlchemyError as error:
            logger.warning("The test-bench database: %s", _reason(error))
            code = _code(error)
            sentence = read_only if code == _READONLY else _SENTENCES.get(code, _UNKNOWN_FAILURE)
            raise StoreError(f"{sentence} Nothing was changed.") from error

    def _migrate(self) -> None:
        """Upgrade the schema if it is not current; a current one is only read."""
        head = ScriptDirectory(str(_MIGRATIONS)).get_current_head()
        with self._readers.connect() as connection:
            found = MigrationContext.configure(connection).get_current_heads()
        if found == (head,):
            return
        try:
            self._upgrade()
        except CommandError as error:
            raise StoreError(
                f"The test-bench database was made by another version of this app ({error})."
            ) from None
        except sa.exc.OperationalError as error:
            if not found or _code(error) not in (_READONLY, _FULL, _IOERR, _CANTOPEN):
                raise
            raise StoreError(
                "The test-bench database comes from an earlier version of this app and has to be "
                "brought up to date, but its disk is full or read-only: make room, or make it "
                "writable, once."
            ) from error

    def _upgrade(self) -> None:
        config = Config()
        # ConfigParser interpolates %, so it is doubled.
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK_ID})"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _code(error: BaseException | None) -> int | str:
    """Return SQLite's primary result code or PostgreSQL's state; 0 for none."""
    orig = getattr(error, "orig", None)
    code = getattr(orig, "sqlite_errorcode", None)
    return code & 0xFF if code is not None else getattr(orig, "sqlstate", None) or 0


def _needs_space(error: BaseException | None) -> bool:
    """Return whether a full disk may be the cause; it shows in several error codes."""
    return _code(error) in (_FULL, _IOERR, _CANTOPEN)


def _reason(error: sa.exc.SQLAlchemyError) -> str:
    """Return the error without statement and parameters, which hold users' texts."""
    orig = getattr(error, "orig", None)
    return str(orig or type(error).__name__).strip().partition("\n")[0]


def _options(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": _WAIT_S, "check_same_thread": False}}
    return {"pool_pre_ping": True}


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we issue BEGIN, not the driver
    cursor = connection.cursor()
    # Not WAL, whose readers create a file: impossible on full and read-only disks. Fails, and is
    # retried on the next start, while an older version of the app has the database open.
    with contextlib.suppress(sqlite3.DatabaseError):
        cursor.execute("PRAGMA journal_mode=TRUNCATE")
    for pragma in (
        "synchronous=FULL",  # a confirmed change survives a power cut
        "foreign_keys=ON",
        "secure_delete=ON",
        "temp_store=MEMORY",  # sorting needs no disk
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: sa.Connection) -> None:
    """Begin with the writer's lock.

    Otherwise another writer could commit between the transaction's first read and its write.
    """
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
