"""Files that users have sent, on this machine's disk for as long as somebody needs them.

They lie in a folder of this process that nobody else may read. A file is deleted when the
last reference to it is gone, all of them when the process ends; what one that was killed
has left is deleted by the next.
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

from asr_core.budget import Budget, Hold, Resource, process_budget
from asr_core.errors import LimitError

__all__ = ["StoredFile", "StoredFiles", "stored_files"]

_PREFIX = "speak-and-read-"
_LOCK = ".lock"
_COPY_BYTES = 1 << 20


class StoredFile:
    """A user's file. Any thread may call.

    Attributes:
        name: as the user calls it.
        path: where it lies; nobody may keep the path longer than this object.
    """

    def __init__(self, name: str, path: Path, hold: Hold) -> None:
        self.name, self.path = name, path
        weakref.finalize(self, _forget, path, hold)

    def open(self) -> BinaryIO:
        """Open it for reading; the caller closes it."""
        return self.path.open("rb")


def _forget(path: Path, hold: Hold) -> None:
    with contextlib.suppress(OSError):  # Windows keeps what is being played
        path.unlink(missing_ok=True)
    hold.release()


class StoredFiles:
    """The folder of this process. Any thread may call.

    Args:
        budget: of which each file takes its size.
        parent: where the folder is made; the system's for temporary files by default.
    """

    def __init__(self, budget: Budget, parent: Path | None = None) -> None:
        self._budget = budget
        parent = parent or Path(tempfile.gettempdir())
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        # The lock first: another process that sweeps must not find a folder without one.
        lock = parent / f"{_PREFIX}{uuid.uuid4().hex}{_LOCK}"
        self._lock = _locked(lock)
        self.folder = lock.with_suffix("")
        self.folder.mkdir(mode=0o700)
        atexit.register(_delete, self.folder)

    def reserve(self, n_bytes: int, owner: Hashable, group: Hashable = None) -> Hold:
        """Hold room for a file that is about to come.

        Raises:
            LimitError: the owner, or this machine, has none left.
        """
        return self._budget.take(Resource.UPLOADS, n_bytes, owner, group)

    def keep(self, name: str, source: BinaryIO, hold: Hold) -> StoredFile:
        """Copy ``source`` into the folder; ``hold`` becomes the file's.

        Raises:
            LimitError: it is longer than what is held, or the disk is full.
        """
        path = self.folder / uuid.uuid4().hex
        left = int(hold.amount)
        try:
            with path.open("xb") as file:
                while part := source.read(_COPY_BYTES):
                    left -= len(part)
                    if left < 0:
                        raise LimitError(f"{name} is longer than was announced; send it again.")
                    file.write(part)
        except BaseException as error:
            _forget(path, hold)
            if isinstance(error, OSError):
                raise LimitError(
                    f"{name} cannot be stored on this server ({error.strerror}); "
                    "try again later, or a smaller file."
                ) from None
            raise
        return StoredFile(name, path, hold)


def _delete(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(_LOCK).unlink(missing_ok=True)


def _locked(path: Path) -> BinaryIO | None:
    """Open ``path`` and lock it until the process ends; None if another process has it.

    Numbers of processes tell nothing in containers, where each is the first one. A file of
    somebody else's, or one that is none, is left alone.
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
    """Delete the folders of processes that are no more."""
    for lock in parent.glob(f"{_PREFIX}*{_LOCK}"):
        file = _locked(lock)
        if file is not None:
            with file, contextlib.suppress(OSError):
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink()


_making = threading.Lock()
_made: list[StoredFiles] = []  # one at most


def stored_files() -> StoredFiles:
    """Return those of this process, where ``TMPDIR`` says. Any thread may call."""
    with _making:
        if not _made:
            _made.append(StoredFiles(process_budget()))
        return _made[0]
