"""Audio files of the store: one FLAC file per row, named by the row's id."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from asr_core.errors import StoreError

__all__ = ["AudioFiles"]

logger = logging.getLogger(__name__)

_ORPHAN_AGE_S = 3600
"""Age from which on a file without a row counts as left by a crash, not as being written."""


class AudioFiles:
    """Folder of audio files, safe for threads and processes: a file is complete or absent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Return the path of a row's audio.

        Raises:
            StoreError: ``name`` is not an id of ours.
        """
        if not name.isalnum():
            raise StoreError(f"{name!r} is no id of this store.")
        return self._folder / name[:2] / f"{name}.flac"

    def write(self, name: str, flac: bytes) -> None:
        """Write a row's audio durably; called before the row is written.

        Raises:
            StoreError: the disk is full or the folder is not writable.
        """
        target = self.path(name)
        part: str | None = None
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(".part", dir=target.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(flac)
                file.flush()
                os.fsync(file.fileno())
            Path(part).replace(target)
        except OSError as error:
            if part is not None:
                with contextlib.suppress(OSError):
                    Path(part).unlink(missing_ok=True)
            raise StoreError(
                f"The recording cannot be stored ({error.strerror}); make room in the folder of "
                "the test bench, or set ASR_TESTBENCH_DIR to another one."
            ) from None

    def read(self, name: str) -> bytes:
        """Return the FLAC of a row.

        Raises:
            StoreError: it is missing.
        """
        try:
            return self.path(name).read_bytes()
        except OSError as error:
            raise StoreError(
                f"A recording of the test set is missing ({error.strerror})."
            ) from None

    def check_deletable(self, names: Iterable[str]) -> None:
        """Check that audio can be deleted; called before its rows are.

        Raises:
            StoreError: the folder is read-only.
        """
        for folder in {self.path(name).parent for name in names}:
            if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
                raise StoreError(
                    "The recordings of the test bench can only be read: their disk or their "
                    "folder is read-only. Nothing was changed."
                )

    def delete(self, names: Iterable[str]) -> None:
        """Delete audio after its rows; what fails is left to ``sweep``."""
        for name in names:
            try:
                self.path(name).unlink(missing_ok=True)
            except OSError as error:
                logger.warning("A deleted recording is still there: %s", error.strerror)

    def sweep(self, known: Iterable[str]) -> None:
        """Delete old files that no row names, which crashes have left behind."""
        kept = set(known)
        for path in self._folder.glob("*/*"):
            with contextlib.suppress(OSError):  # deleted by another process, or a read-only disk
                old = time.time() - path.stat().st_mtime > _ORPHAN_AGE_S
                if old and path.stem not in kept:
                    path.unlink()
