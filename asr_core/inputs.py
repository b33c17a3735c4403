"""Which recordings a command line means: files, folders, patterns, standard input."""

from __future__ import annotations

import glob
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import BinaryIO

from asr_core.errors import AudioError
from asr_core.outputs import normal, short_digest
from asr_core.plain_text import shortened

__all__ = ["Found", "Input", "LeftOut", "find"]

STANDARD_INPUT = "-"

_PROMISING = frozenset(
    [
        ".3gp",
        ".aac",
        ".ac3",
        ".aif",
        ".aiff",
        ".amr",
        ".avi",
        ".caf",
        ".flac",
        ".flv",
        ".m4a",
        ".m4b",
        ".m4v",
        ".mka",
        ".mkv",
        ".mov",
        ".mp2",
        ".mp3",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".oga",
        ".ogg",
        ".ogv",
        ".opus",
        ".sph",
        ".wav",
        ".wave",
        ".weba",
        ".webm",
        ".wma",
        ".wmv",
    ]
)
"""Files of a folder with such names are recordings, and failures if they cannot be read; of
others it is tried whether they hold sound."""

_LONGEST_NAME = 100  # characters, in messages
_MOST_NAMED = 5  # files of a folder, in one message

OnLook = Callable[[str], None]


@dataclass(frozen=True)
class Input:
    """One recording.

    Attributes:
        source: a path, or the bytes of standard input.
        name: to call it by in messages.
        path: the absolute path that it is known by; a bare name where it comes from no file.
    """

    source: Path | BinaryIO
    name: str
    path: PurePath


@dataclass(frozen=True)
class LeftOut:
    """What of a folder is not transcribed.

    Attributes:
        folder: as it was named.
        files: paths in it, in which no sound was found.
        folders: paths in it that were not looked into, being hidden or links.
    """

    folder: str
    files: tuple[PurePath, ...] = ()
    folders: tuple[PurePath, ...] = ()

    def sentences(self) -> Iterator[str]:
        """Yield what the user is told: how many there are, and the names of some."""
        folder = shortened(self.folder, _LONGEST_NAME)
        if self.files:
            count = "1 file" if len(self.files) == 1 else f"{len(self.files)} files"
            yield f"Left out {count} of {folder} without sound: {_listed(self.files)}."
        if self.folders:
            count = "1 folder" if len(self.folders) == 1 else f"{len(self.folders)} folders"
            yield f"Left out {count} of {folder}, hidden or linked: {_listed(self.folders)}."


@dataclass
class Found:
    """What a command line means.

    Attributes:
        inputs: in the order of the arguments, folders sorted by name, each file once.
        left_out: of each folder that has such.
        problems: a sentence for each argument that means nothing, and each folder that
            cannot be read.
    """

    inputs: list[Input] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def left_out_but(self, formats: Iterable[str]) -> list[LeftOut]:
        """Return what is left out, less what looks like results of ``inputs``."""
        results = {f"{item.path.name}.{each}" for item in self.inputs for each in formats}
        return [
            replace(each, files=tuple(path for path in each.files if path.name not in results))
            for each in self.left_out
        ]


def find(arguments: Iterable[str], on_look: OnLook = lambda name: None) -> Found:
    """Return the recordings that ``arguments`` mean.

    Args:
        on_look: called with the name of each file of a folder before it is looked into.
    """
    found = Found()
    known: set[PurePath] = set()
    for argument in dict.fromkeys(arguments):
        for item in _meant_by(argument, found, on_look):
            # A file has one name in one folder, however many links lead to that.
            key = Path(os.path.realpath(item.path.parent)) / item.path.name
            if key not in known:
                known.add(key)
                found.inputs.append(item)
    return found


def _meant_by(argument: str, found: Found, on_look: OnLook) -> Iterator[Input]:
    if argument == STANDARD_INPUT:
        if sys.stdin is None:  # closed by whoever started us
            found.problems.append("Standard input is closed; give a file.")
        else:
            yield _stream("standard input", sys.stdin.buffer)
    elif os.path.lexists(argument) or not glob.has_magic(argument):
        yield from _named(argument, found, on_look)
    else:  # a shell that knows patterns has replaced them already
        names = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - takes absolute ones
        if not names:
            found.problems.append(
                f"No file matches {shortened(argument, _LONGEST_NAME)!r}; check the pattern."
            )
        for name in names:
            yield from _named(name, found, on_look)


def _named(argument: str, found: Found, on_look: OnLook) -> Iterator[Input]:
    if os.path.isdir(argument):  # noqa: PTH112 - Path's raises where a name is too long
        yield from _in_folder(argument, found, on_look)
    elif os.path.exists(argument) and Path(argument).is_fifo():  # noqa: PTH110 - as above
        with Path(argument).open("rb") as pipe:  # such as a shell's <(command)
            yield _stream(argument, pipe)
    else:
        yield _file(Path(argument))


def _stream(name: str, stream: BinaryIO) -> Input:
    data = stream.read()
    # Placed by what it holds, since the next one of this name comes from elsewhere.
    place = PurePath(f"stdin-{short_digest(data)}")
    return Input(io.BytesIO(data), name, place)


def _file(path: Path) -> Input:
    name = str(path)
    if len(name) > _LONGEST_NAME:
        name = path.name
    return Input(path, shortened(name, 2 * _LONGEST_NAME), normal(str(path)))


def _in_folder(folder: str, found: Found, on_look: OnLook) -> Iterator[Input]:
    """Yield the recordings of a folder and of those in it; tell ``found`` about the rest."""
    inputs: list[Input] = []
    files: list[PurePath] = []
    folders: list[PurePath] = []
    n_problems = len(found.problems)

    def unread(error: OSError) -> None:
        found.problems.append(
            f"The folder {shortened(str(error.filename), _LONGEST_NAME)} cannot be read "
            f"({error.strerror})."
        )

    for place, below, names in os.walk(folder, onerror=unread):
        skipped = [each for each in below if each.startswith(".") or _is_link(place, each)]
        folders += [PurePath(place, each).relative_to(folder) for each in sorted(skipped)]
        below[:] = sorted(set(below) - set(skipped))
        for path in (Path(place, name) for name in sorted(names)):
            on_look(str(path))
            if _is_recording(path):
                inputs.append(_file(path))
            else:
                files.append(path.relative_to(folder))
    yield from inputs
    if files or folders:
        found.left_out.append(LeftOut(folder, tuple(files), tuple(folders)))
    if not inputs and len(found.problems) == n_problems:
        found.problems.append(
            f"Nothing to transcribe in {shortened(folder, _LONGEST_NAME)}: no audio or video file "
            "is there."
        )


def _listed(paths: Iterable[PurePath]) -> str:
    """Return names with commas between them, hidden ones last, and how many more there are."""
    ordered = sorted(paths, key=lambda path: (path.name.startswith("."), path))
    names = [shortened(str(path)) for path in ordered[:_MOST_NAMED]]
    more = f" and {len(ordered) - _MOST_NAMED} more" if len(ordered) > _MOST_NAMED else ""
    return ", ".join(names) + more


def _is_link(place: str, name: str) -> bool:
    return Path(place, name).is_symlink()


def _is_recording(path: Path) -> bool:
    """Return whether a file of a folder is to be transcribed, or told as unreadable."""
    try:
        if not path.is_file():  # a socket, a pipe, a device, a link to nothing
            return False
        is_hidden = path.name.startswith(".")
        if path.suffix.lower() in _PROMISING and not is_hidden:
            return True
        return _holds_sound(path)
    except PermissionError:
        return True


def _holds_sound(path: Path) -> bool:
    """Return whether sound comes out of a file; what only looks like sound is read as well.

    Raises:
        PermissionError: it may not be read.
    """
    from asr_core.audio.decode import AudioFile

    path.open("rb").close()
    try:
        next(iter(AudioFile(path)))
    except AudioError:
        return False
    return True
