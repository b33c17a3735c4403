"""Where the results of recordings go below an output folder.

A result's place follows from its recording's path alone, never from what else is transcribed:
the folders and the whole name are kept. So no two recordings share one, and a run that is
repeated with more or fewer of them finds each result where it was.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePath

__all__ = ["normal", "result_path", "short_digest"]

_ELSEWHERE = "_"
"""Below a folder of this name are the results of files that lie outside, by their whole path."""

_LONGEST_NAME = 255  # bytes; what Linux, macOS and Windows let a file's name have


def result_path(recording: PurePath, directory: Path, extension: str) -> Path:
    """Return the file below ``directory`` for the result of ``recording``.

    The recording's path is kept as seen from the current folder. Where ``directory`` is not
    below that, it is seen from ``directory`` if that holds the current folder, else from the
    folder that it is in. Of recordings outside, the whole path is kept, below ``_``.

    Args:
        recording: its absolute path; a bare name for what comes from no file.
        extension: of the format, without a dot.
    """
    place = _seen_from(_outlook(directory), recording) if recording.is_absolute() else recording
    target = directory / place.with_name(_bounded(place.name, f".{extension}"))
    return _unlike_others(target, directory, place)


def normal(path: str) -> Path:
    """Return the absolute path by which a file is known however it is spelled.

    Links stay as they are, but for those before a ``..``.
    """
    if ".." in PurePath(path).parts:
        return _real(Path(path))
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def _real(path: Path) -> Path:
    """Return ``path`` with the links of its folders followed, not that of the file."""
    return Path(os.path.realpath(path.parent)) / path.name if path.name else path.resolve()


def _outlook(directory: Path) -> Path:
    here, out = Path(os.path.realpath(".")), Path(os.path.realpath(directory))
    if out.is_relative_to(here):
        return here
    return out if here.is_relative_to(out) else out.parent


def _seen_from(outlook: Path, recording: PurePath) -> PurePath:
    for path in (recording, _real(Path(recording))):
        if path.is_relative_to(outlook):
            place = path.relative_to(outlook)
            is_taken = len(place.parts) > 1 and not place.parts[0].strip(_ELSEWHERE)
            return PurePath(_ELSEWHERE + place.parts[0], *place.parts[1:]) if is_taken else place
    drive = [
        part for part in recording.drive.replace(":", "").replace("\\", "/").split("/") if part
    ]
    return PurePath(_ELSEWHERE, *drive, *recording.parts[1:])


def _bounded(name: str, ending: str) -> str:
    """Return ``name`` with ``ending``, its middle replaced where that is too long for a file."""
    if len(os.fsencode(name + ending)) <= _LONGEST_NAME:
        return name + ending
    ending = f"~{short_digest(os.fsencode(name))}{ending}"
    while len(os.fsencode(name + ending)) > _LONGEST_NAME:
        name = name[:-1]
    return name + ending


def _unlike_others(target: Path, directory: Path, place: PurePath) -> Path:
    """Return another name where a file system that takes ``A`` for ``a`` has another's result."""
    if not target.with_name(target.name.swapcase()).is_file() or not target.is_file():
        return target
    levels = [target, *target.parents[: len(place.parts) - 1]]
    if all(level.name in os.listdir(level.parent) for level in levels):  # noqa: PTH208
        return target
    return target.with_name(
        _bounded(f"{target.stem}~{short_digest(os.fsencode(place))}", target.suffix)
    )


def short_digest(data: bytes) -> str:
    """Return twelve letters that tell ``data`` apart from others."""
    return hashlib.sha256(data).hexdigest()[:12]
