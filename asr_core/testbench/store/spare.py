"""Room kept free beside the database, so that deleting works on a full disk.

SQLite needs a journal even to delete. When the disk is full, the spare file makes way for
it; what was deleted leaves room for the next one.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

__all__ = ["Spare"]

_BYTES = 4_000_000  # holds the journal of deleting some 2,000 cases with their results


class Spare:
    """Any thread and any process may call; without the file everything works as well, as
    long as there is room."""

    def __init__(self, path: Path | None, n_bytes: int = _BYTES) -> None:
        self._path, self._n_bytes = path, n_bytes

    def keep(self) -> None:
        """Make the file, if it is not there and there is room for it."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):  # full, or only to be read
            if self._path.exists() and self._path.stat().st_size >= self._n_bytes:
                return
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _allocate(handle, self._n_bytes)
            except OSError:
                os.ftruncate(handle, 0)  # half of it would only be in the way
            finally:
                os.close(handle)

    def release(self) -> bool:
        """Give the room back; returns whether there was any."""
        if self._path is None:
            return False
        try:
            had = self._path.stat().st_size > 0
            os.truncate(self._path, 0)
        except OSError:
            return False
        return had


def _allocate(handle: int, n_bytes: int) -> None:
    """Take room on the disk; raises OSError if there is not so much."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, n_bytes)
    elif os.write(handle, bytes(n_bytes)) < n_bytes:  # macOS
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
