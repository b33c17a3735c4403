"""Files that are written as a whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path

__all__ = ["check_writable", "write_whole"]

_OPENED = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/")
"""Below these are names for what the process has open already, perhaps a file."""


def write_whole(target: Path, content: bytes) -> None:
    """Write ``content`` to ``target`` so that nobody ever finds a part of it there.

    It is written to a file beside it, which then takes the name: on a full disk, or if the
    process dies, what was there before stays. A link stays one; a device or pipe, such as
    ``/dev/stdout``, is written to as it is.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    if _is_stream(target):
        with target.open("ab") as stream:
            stream.write(content)
        return
    target = _writable(target)
    beside = _beside(target)
    try:
        with beside.open("xb") as file:
            if target.exists():
                shutil.copymode(target, beside)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def check_writable(target: Path) -> None:
    """Make sure that ``write_whole`` could write ``target``, as far as can be told before.

    Raises:
        OSError: it could not.
    """
    if _is_stream(target):
        return
    beside = _beside(_writable(target))
    beside.open("xb").close()
    beside.unlink()


def _is_stream(target: Path) -> bool:
    """Return whether it is no file of its own: a device, a pipe, what a shell has opened."""
    if str(target.absolute()).startswith(_OPENED):
        return True
    return target.exists() and not target.is_file() and not target.is_dir()


def _writable(target: Path) -> Path:
    """Return where ``target`` lies, links followed."""
    target = Path(os.path.realpath(target))  # of links that go in a circle nothing is raised
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
    return target


def _beside(target: Path) -> Path:
    """Return a name that nobody has, however long that of ``target`` is."""
    return target.with_name(f".{secrets.token_hex(8)}.part")
