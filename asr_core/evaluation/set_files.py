"""Files of a data set on disk or in an archive, and lookup by the paths tables write."""

from __future__ import annotations

import functools
import os
import posixpath
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from asr_core.errors import AudioError
from asr_core.text.plain_text import shorten

__all__ = ["DiskFiles", "Files", "file_opener", "is_hidden"]

Files = Mapping[str, Callable[[], BinaryIO]]
"""Openers by path; an opener raises AsrError."""

# Tried when a table leaves out the extension: a transcript may have the same stem.
_SOUNDS = frozenset((".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".webm", ".sph"))

_LONGEST = 300  # characters of a path, in messages


def is_hidden(path: str) -> bool:
    """Return whether a path belongs to the system rather than the set, such as ``__MACOSX/._a.wav``."""
    parts = PurePosixPath(path).parts
    return any(part == "__MACOSX" or (part[:1] == "." and part != "..") for part in parts)


class DiskFiles(Mapping[str, Callable[[], BinaryIO]]):
    """Files below a folder; paths outside it, relative to it, can be opened too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, path: str) -> Callable[[], BinaryIO]:
        place = self._folder / path
        try:
            if not place.is_file():  # opening a named pipe would block
                raise KeyError(path)
        except (OSError, ValueError):  # NUL, a lone surrogate, or too long
            raise KeyError(path) from None
        return functools.partial(_opened, place)

    def __iter__(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self._folder):
            folders.sort()
            for name in sorted(names):
                path = (Path(folder) / name).relative_to(self._folder).as_posix()
                if path in self:
                    yield path

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise AudioError(
            f"{shorten(str(path), _LONGEST)} cannot be read ({error.strerror})."
        ) from None


def file_opener(files: Files, folder: str, *tops: str) -> Callable[[str], BinaryIO]:
    """Return a function that opens a file by the path that a table in ``folder`` writes.

    The path may be relative to the table's folder, one of its parents, or ``tops``. Otherwise
    the file below the table's folder whose path ends most alike is opened, if it is unique: sets
    keep audio in ``clips`` or ``wavs``, or name its place on another machine. The extension may
    be missing.
    """
    above = [str(each) for each in PurePosixPath(folder).parents]
    starts = list(dict.fromkeys((folder, *above, "", *tops)))
    by_name = functools.cache(lambda: _by_name(files, folder))

    def open_file(path: str) -> BinaryIO:
        for known in _as_written(path, starts):
            if known in files:
                return files[known]()
        wanted = PurePosixPath(_composed(path.replace("\\", "/")))
        same = by_name().get(wanted.name, []) if wanted.name else []
        most = max((_n_alike(wanted, each) for each in same), default=0)
        alike = [each for each in same if _n_alike(wanted, each) == most]
        # Several in one folder are one recording in several formats.
        if len({PurePosixPath(each).parent for each in alike}) != 1:
            raise AudioError(f"{shorten(path, _LONGEST)} is not there.")
        return files[min(alike)]()

    return open_file


def _as_written(path: str, starts: Sequence[str]) -> Iterator[str]:
    for form in dict.fromkeys((path, path.replace("\\", "/"))):
        for start in starts:
            joined = posixpath.join(start, form)
            yield from dict.fromkeys((str(PurePosixPath(joined)), posixpath.normpath(joined)))


def _by_name(files: Files, folder: str) -> dict[str, list[str]]:
    """Return the files below ``folder`` by name, and audio files by stem as well."""
    found: dict[str, list[str]] = {}
    below = PurePosixPath(folder)
    for path in files:
        place = PurePosixPath(path)
        if not is_hidden(path) and place.is_relative_to(below):
            found.setdefault(_composed(place.name), []).append(path)
            if place.suffix.lower() in _SOUNDS:
                found.setdefault(_composed(place.stem), []).append(path)
    return found


def _composed(text: str) -> str:
    """Return ``text`` with combining marks composed; names from macOS have them decomposed."""
    return unicodedata.normalize("NFC", text)


def _n_alike(wanted: PurePosixPath, path: str) -> int:
    """Return the number of trailing folders that two paths share."""
    ends = reversed(wanted.parent.parts), reversed(PurePosixPath(path).parent.parts)
    n = 0
    for a, b in zip(*ends, strict=False):
        if a != _composed(b):
            break
        n += 1
    return n
