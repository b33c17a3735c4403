"""Disk space reserved beside the database, so that deleting works on a full disk.

SQLite needs a journal even to delete. On a full disk the spare file is emptied to make space for
it; the deletion then frees space for the next spare file.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

__all__ = ["SpareFile"]

_BYTES = 4_000_000  # holds the journal of deleting some 2,000 cases with their results


class SpareFile:
    """File that reserves disk space; safe for threads and processes.

    It is not needed as long as the disk has space.
    """

    def __init__(self, path: Path | None, n_bytes: int = _BYTES) -> None:
        self._path, self._n_bytes = path, n_bytes

    def keep(self) -> None:
        """Create the file, unless it exists or there is no space."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):  # full, or read-only
            if self._path.exists() and self._path.stat().st_size >= self._n_bytes:
                return
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _allocate(handle, self._n_bytes)
            except OSError:
                os.ftruncate(handle, 0)  # a partial file would only use up space
            finally:
                os.close(handle)

    def release(self) -> bool:
        """Free the space; return whether there was any."""
        if self._path is None:
            return False
        try:
            had = self._path.stat().st_size > 0
            os.truncate(self._path, 0)
        except OSError:
            return False
        return had


def _allocate(handle: int, n_bytes: int) -> None:
    """Allocate disk space.

    Raises:
        OSError: there is not enough.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, n_bytes)
    elif os.write(handle, bytes(n_bytes)) < n_bytes:  # macOS
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
