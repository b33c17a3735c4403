"""The audio beside the database: a FLAC file a row, named by its id."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from asr_core.errors import StoreError

__all__ = ["Sounds"]

logger = logging.getLogger(__name__)

_FORGOTTEN_AFTER_S = 3600
"""A file without a row is being written, or what a crash left behind."""


class Sounds:
    """Any thread, any process may call: files are whole or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where the audio of a row lies; ``name`` is one of our own ids.

        Raises:
            StoreError: it is none.
        """
        if not name.isalnum():
            raise StoreError(f"{name!r} is no id of this store.")
        return self._folder / name[:2] / f"{name}.flac"

    def write(self, name: str, flac: bytes) -> None:
        """Before the row is written: what is confirmed has its audio.

        Raises:
            StoreError: the disk is full or the folder cannot be written.
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
        """The FLAC of a row.

        Raises:
            StoreError: it is not there.
        """
        try:
            return self.path(name).read_bytes()
        except OSError as error:
            raise StoreError(
                f"A recording of the test set is missing ({error.strerror})."
            ) from None

    def check_deletable(self, names: Iterable[str]) -> None:
        """Before the rows go: what is deleted must not leave its audio behind.

        Raises:
            StoreError: the folder may only be read.
        """
        for folder in {self.path(name).parent for name in names}:
            if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
                raise StoreError(
                    "The recordings of the test bench can only be read: their disk or their "
                    "folder is read-only. Nothing was changed."
                )

    def delete(self, names: Iterable[str]) -> None:
        """After the rows are gone; what fails is swept when the store is opened again."""
        for name in names:
            try:
                self.path(name).unlink(missing_ok=True)
            except OSError as error:
                logger.warning("A deleted recording is still there: %s", error.strerror)

    def sweep(self, known: Iterable[str]) -> None:
        """Delete what no row names: writes and deletions that a crash cut short."""
        kept = set(known)
        for path in self._folder.glob("*/*"):
            with contextlib.suppress(OSError):  # another process was quicker; a read-only disk
                old = time.time() - path.stat().st_mtime > _FORGOTTEN_AFTER_S
                if old and path.stem not in kept:
                    path.unlink()
