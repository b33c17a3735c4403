"""Atomic file writes: readers find the old content or the new, never a part."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path

__all__ = ["check_writable", "write_atomically"]

_DESCRIPTOR_PATHS = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/")
"""Path prefixes that name a descriptor the process already has open."""


def write_atomically(target: Path, content: bytes) -> None:
    """Replace the content of ``target`` atomically.

    The content goes to a temporary file in the same folder, which is then renamed: if the
    disk is full or the process dies, the old content stays. A symbolic link stays a link;
    a device or pipe, such as ``/dev/stdout``, is appended to directly.

    Raises:
        OSError: the file cannot be written; nothing is left behind.
    """
    if _is_stream(target):
        with target.open("ab") as stream:
            stream.write(content)
        return
    target = _resolve_writable(target)
    temporary = _temporary_path(target)
    try:
        with temporary.open("xb") as file:
            if target.exists():
                shutil.copymode(target, temporary)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_writable(target: Path) -> None:
    """Check that ``write_atomically`` could write ``target``, as far as can be known beforehand.

    Raises:
        OSError: the file could not be written.
    """
    if _is_stream(target):
        return
    temporary = _temporary_path(_resolve_writable(target))
    temporary.open("xb").close()
    temporary.unlink()


def _is_stream(target: Path) -> bool:
    """Return whether ``target`` is a device, a pipe or an open descriptor, not a file."""
    if str(target.absolute()).startswith(_DESCRIPTOR_PATHS):
        return True
    return target.exists() and not target.is_file() and not target.is_dir()


def _resolve_writable(target: Path) -> Path:
    """Return ``target`` with links followed.

    Raises:
        OSError: it is a folder or must not be written.
    """
    target = Path(os.path.realpath(target))  # Path.resolve raises on circular links
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
    return target


def _temporary_path(target: Path) -> Path:
    """Return an unused path in the folder of ``target``, short even if its name is long."""
    return target.with_name(f".{secrets.token_hex(8)}.part")
