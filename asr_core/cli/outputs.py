"""Paths of results below an output folder.

A result's path depends only on its recording's path, not on what else is transcribed: folders
and the whole name are kept. Two recordings never share a result, and a repeated run with other
recordings finds earlier results again.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePath

__all__ = ["normalise_path", "result_path", "short_digest"]

_OUTSIDE = "_"
"""Folder for the results of files outside the base folder, by their whole path."""

_MAX_NAME_BYTES = 255  # of a file name on Linux, macOS and Windows


def result_path(recording: PurePath, directory: Path, extension: str) -> Path:
    """Return the file below ``directory`` for the result of ``recording``.

    The recording's path is kept relative to a base folder: the current folder or, if
    ``directory`` is not below that, ``directory`` if it contains the current folder, otherwise
    its parent. Recordings outside the base keep their whole path, below ``_``.

    Args:
        recording: absolute path; a bare name if it does not come from a file.
        directory: output folder.
        extension: of the format, without a dot.
    """
    path = (
        _relative_path(_base_folder(directory), recording) if recording.is_absolute() else recording
    )
    target = directory / path.with_name(_limit_length(path.name, f".{extension}"))
    return _avoid_case_clash(target, directory, path)


def normalise_path(path: str) -> Path:
    """Return the absolute path of a file, the same for every spelling.

    Links are kept, except those before a ``..``.
    """
    if ".." in PurePath(path).parts:
        return _resolve_folders(Path(path))
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def _resolve_folders(path: Path) -> Path:
    """Return ``path`` with the links of its folders followed, but not the file's own."""
    return Path(os.path.realpath(path.parent)) / path.name if path.name else path.resolve()


def _base_folder(directory: Path) -> Path:
    here, out = Path(os.path.realpath(".")), Path(os.path.realpath(directory))
    if out.is_relative_to(here):
        return here
    return out if here.is_relative_to(out) else out.parent


def _relative_path(base: Path, recording: PurePath) -> PurePath:
    for path in (recording, _resolve_folders(Path(recording))):
        if path.is_relative_to(base):
            relative = path.relative_to(base)
            first, *rest = relative.parts or (".",)
            is_taken = bool(rest) and not first.strip(_OUTSIDE)
            return PurePath(_OUTSIDE + first, *rest) if is_taken else relative
    drive = [
        part for part in recording.drive.replace(":", "").replace("\\", "/").split("/") if part
    ]
    return PurePath(_OUTSIDE, *drive, *recording.parts[1:])


def _limit_length(name: str, ending: str) -> str:
    """Return ``name`` with ``ending``; if that is too long, cut and with a digest."""
    if len(os.fsencode(name + ending)) <= _MAX_NAME_BYTES:
        return name + ending
    ending = f"~{short_digest(os.fsencode(name))}{ending}"
    while len(os.fsencode(name + ending)) > _MAX_NAME_BYTES:
        name = name[:-1]
    return name + ending


def _avoid_case_clash(target: Path, directory: Path, path: PurePath) -> Path:
    """Return a different path if a case-insensitive file system has another's result there."""
    if not target.with_name(target.name.swapcase()).is_file() or not target.is_file():
        return target
    levels = [target, *target.parents[: len(path.parts) - 1]]
    if all(level.name in os.listdir(level.parent) for level in levels):  # noqa: PTH208
        return target
    return target.with_name(
        _limit_length(f"{target.stem}~{short_digest(os.fsencode(path))}", target.suffix)
    )


def short_digest(data: bytes) -> str:
    """Return the first twelve hexadecimal digits of a SHA-256 digest."""
    return hashlib.sha256(data).hexdigest()[:12]
