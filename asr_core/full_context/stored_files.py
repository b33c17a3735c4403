"""Uploaded files, on this machine's disk for as long as somebody needs them.

They are in a folder of this process that no other user may read. A file is deleted with the
last reference to it, all files when the process ends; those that a killed process left
behind are deleted by the next one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
import threading
import uuid
import weakref
from collections.abc import Hashable
from pathlib import Path
from typing import BinaryIO

from asr_core.errors import LimitError
from asr_core.ops.budget import Budget, Reservation, Resource, process_budget

__all__ = ["StoredFile", "StoredFiles", "stored_files"]

_FOLDER_PREFIX = "speak-and-read-"
_LOCK_SUFFIX = ".lock"
_COPY_BYTES = 1 << 20


class StoredFile:
    """Uploaded file. Any thread may call.

    Attributes:
        name: as the user calls it.
        path: not to be kept longer than this object.
    """

    def __init__(self, name: str, path: Path, reservation: Reservation) -> None:
        self.name, self.path = name, path
        weakref.finalize(self, _delete_file, path, reservation)

    def open(self) -> BinaryIO:
        """Return the file opened for reading; the caller closes it."""
        return self.path.open("rb")


def _delete_file(path: Path, reservation: Reservation) -> None:
    with contextlib.suppress(OSError):  # Windows keeps a file that is being played
        path.unlink(missing_ok=True)
    reservation.release()


class StoredFiles:
    """Folder of this process's uploaded files. Any thread may call.

    Args:
        budget: of bytes, from which each file's size is reserved.
        parent: where the folder is created; the system's temporary folder by default.
    """

    def __init__(self, budget: Budget, parent: Path | None = None) -> None:
        self._budget = budget
        parent = parent or Path(tempfile.gettempdir())
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        # The lock first: another process must not sweep a folder without one.
        lock = parent / f"{_FOLDER_PREFIX}{uuid.uuid4().hex}{_LOCK_SUFFIX}"
        self._lock = _locked(lock)
        self.folder = lock.with_suffix("")
        self.folder.mkdir(mode=0o700)
        atexit.register(_delete, self.folder)

    def reserve(self, n_bytes: int, owner: Hashable, group: Hashable = None) -> Reservation:
        """Return a reservation for a file that is about to arrive.

        Raises:
            LimitError: the owner or this machine has no room left.
        """
        return self._budget.reserve(Resource.UPLOADS, n_bytes, owner, group)

    def keep(self, name: str, source: BinaryIO, reservation: Reservation) -> StoredFile:
        """Copy ``source`` into the folder; the file takes over ``reservation``.

        Raises:
            LimitError: the file is longer than reserved, or the disk is full.
        """
        path = self.folder / uuid.uuid4().hex
        left = int(reservation.amount)
        try:
            with path.open("xb") as file:
                while part := source.read(_COPY_BYTES):
                    left -= len(part)
                    if left < 0:
                        raise LimitError(f"{name} is longer than was announced; send it again.")
                    file.write(part)
        except BaseException as error:
            _delete_file(path, reservation)
            if isinstance(error, OSError):
                raise LimitError(
                    f"{name} cannot be stored on this server ({error.strerror}); "
                    "try again later, or a smaller file."
                ) from None
            raise
        return StoredFile(name, path, reservation)


def _delete(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(_LOCK_SUFFIX).unlink(missing_ok=True)


def _locked(path: Path) -> BinaryIO | None:
    """Return ``path`` opened and locked until the process ends; None if another one holds it.

    A lock, since process ids mean nothing across containers. Another user's file, or anything
    but a regular file, is left alone.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        file: BinaryIO = os.fdopen(os.open(path, flags, 0o600), "r+b")
    except OSError:
        return None
    try:
        _lock(file)
    except OSError:
        file.close()
        return None
    return file


def _lock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sweep(parent: Path) -> None:
    """Delete the folders of processes that have ended."""
    for lock in parent.glob(f"{_FOLDER_PREFIX}*{_LOCK_SUFFIX}"):
        file = _locked(lock)
        if file is not None:
            with file, contextlib.suppress(OSError):
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink()


_singleton_lock = threading.Lock()
_singleton: list[StoredFiles] = []  # at most one


def stored_files() -> StoredFiles:
    """Return the uploaded files of this process, below ``TMPDIR``. Any thread may call."""
    with _singleton_lock:
        if not _singleton:
            _singleton.append(StoredFiles(process_budget()))
        return _singleton[0]
