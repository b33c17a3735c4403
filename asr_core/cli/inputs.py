"""Input recordings of the command line: files, folders, patterns, standard input."""

from __future__ import annotations

import glob
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import BinaryIO

from asr_core.cli.outputs import normalise_path, short_digest
from asr_core.errors import AudioError
from asr_core.text.plain_text import shorten

__all__ = ["Found", "Input", "LeftOut", "find"]

STANDARD_INPUT = "-"

_AUDIO_SUFFIXES = frozenset(
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
"""Suffixes of recordings, which are failures if they cannot be read; other files of a folder
are probed for audio."""

_MAX_NAME_LENGTH = 100  # characters, in messages
_MAX_NAMED_FILES = 5  # per folder, in one message

OnProbe = Callable[[str], None]


@dataclass(frozen=True)
class Input:
    """Input recording.

    Attributes:
        source: a path, or the bytes of standard input.
        name: name in messages.
        path: absolute path; a bare name if it does not come from a file.
    """

    source: Path | BinaryIO
    name: str
    path: PurePath


@dataclass(frozen=True)
class LeftOut:
    """Parts of a folder that are not transcribed.

    Attributes:
        folder: as given on the command line.
        files: relative paths of files without audio.
        folders: relative paths of folders skipped because they are hidden or links.
    """

    folder: str
    files: tuple[PurePath, ...] = ()
    folders: tuple[PurePath, ...] = ()

    def sentences(self) -> Iterator[str]:
        """Yield messages with the number of parts and the names of some."""
        folder = shorten(self.folder, _MAX_NAME_LENGTH)
        if self.files:
            count = "1 file" if len(self.files) == 1 else f"{len(self.files)} files"
            yield f"Left out {count} of {folder} without sound: {_summarise(self.files)}."
        if self.folders:
            count = "1 folder" if len(self.folders) == 1 else f"{len(self.folders)} folders"
            yield f"Left out {count} of {folder}, hidden or linked: {_summarise(self.folders)}."


@dataclass
class Found:
    """Result of resolving a command line's files.

    Attributes:
        inputs: in the order of the arguments, folders sorted by name, each file once.
        left_out: parts of folders that are not transcribed.
        problems: a sentence for each argument without recordings and each unreadable folder.
    """

    inputs: list[Input] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def left_out_but(self, formats: Iterable[str]) -> list[LeftOut]:
        """Return ``left_out`` without files that look like results of ``inputs``."""
        results = {f"{item.path.name}.{each}" for item in self.inputs for each in formats}
        return [
            replace(each, files=tuple(path for path in each.files if path.name not in results))
            for each in self.left_out
        ]


def find(arguments: Iterable[str], on_probe: OnProbe = lambda name: None) -> Found:
    """Return the recordings that ``arguments`` stand for.

    Args:
        arguments: files, folders, patterns, or ``-`` for standard input.
        on_probe: called with the name of each file of a folder before it is probed.
    """
    found = Found()
    known: set[PurePath] = set()
    for argument in dict.fromkeys(arguments):
        for item in _resolve(argument, found, on_probe):
            # Several links may lead to one folder.
            key = Path(os.path.realpath(item.path.parent)) / item.path.name
            if key not in known:
                known.add(key)
                found.inputs.append(item)
    return found


def _resolve(argument: str, found: Found, on_probe: OnProbe) -> Iterator[Input]:
    if argument == STANDARD_INPUT:
        if sys.stdin is None:  # closed by the parent process
            found.problems.append("Standard input is closed; give a file.")
        else:
            yield _read_stream("standard input", sys.stdin.buffer)
    elif os.path.lexists(argument) or not glob.has_magic(argument):
        yield from _resolve_path(argument, found, on_probe)
    else:  # most shells have expanded patterns already
        names = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - takes absolute ones
        if not names:
            found.problems.append(
                f"No file matches {shorten(argument, _MAX_NAME_LENGTH)!r}; check the pattern."
            )
        for name in names:
            yield from _resolve_path(name, found, on_probe)


def _resolve_path(argument: str, found: Found, on_probe: OnProbe) -> Iterator[Input]:
    if os.path.isdir(argument):  # noqa: PTH112 - Path's raises where a name is too long
        yield from _search_folder(argument, found, on_probe)
    elif os.path.exists(argument) and Path(argument).is_fifo():  # noqa: PTH110 - as above
        with Path(argument).open("rb") as pipe:  # such as a shell's <(command)
            yield _read_stream(argument, pipe)
    else:
        yield _file_input(Path(argument))


def _read_stream(name: str, stream: BinaryIO) -> Input:
    data = stream.read()
    # Named by content, since the next standard input is another recording.
    path = PurePath(f"stdin-{short_digest(data)}")
    return Input(io.BytesIO(data), name, path)


def _file_input(path: Path) -> Input:
    name = str(path)
    if len(name) > _MAX_NAME_LENGTH:
        name = path.name
    return Input(path, shorten(name, 2 * _MAX_NAME_LENGTH), normalise_path(str(path)))


def _search_folder(folder: str, found: Found, on_probe: OnProbe) -> Iterator[Input]:
    """Yield the recordings of a folder and its subfolders; add the rest to ``found``."""
    inputs: list[Input] = []
    files: list[PurePath] = []
    folders: list[PurePath] = []
    n_problems = len(found.problems)

    def report_unreadable(error: OSError) -> None:
        found.problems.append(
            f"The folder {shorten(str(error.filename), _MAX_NAME_LENGTH)} cannot be read "
            f"({error.strerror})."
        )

    for parent, subfolders, names in os.walk(folder, onerror=report_unreadable):
        skipped = [each for each in subfolders if each.startswith(".") or _is_link(parent, each)]
        folders += [PurePath(parent, each).relative_to(folder) for each in sorted(skipped)]
        subfolders[:] = sorted(set(subfolders) - set(skipped))
        for path in (Path(parent, name) for name in sorted(names)):
            on_probe(str(path))
            if _is_recording(path):
                inputs.append(_file_input(path))
            else:
                files.append(path.relative_to(folder))
    yield from inputs
    if files or folders:
        found.left_out.append(LeftOut(folder, tuple(files), tuple(folders)))
    if not inputs and len(found.problems) == n_problems:
        found.problems.append(
            f"Nothing to transcribe in {shorten(folder, _MAX_NAME_LENGTH)}: it has no audio or "
            "video file."
        )


def _summarise(paths: Iterable[PurePath]) -> str:
    """Return some names, hidden ones last, separated by commas, and the number of the rest."""
    ordered = sorted(paths, key=lambda path: (path.name.startswith("."), path))
    names = [shorten(str(path)) for path in ordered[:_MAX_NAMED_FILES]]
    more = f" and {len(ordered) - _MAX_NAMED_FILES} more" if len(ordered) > _MAX_NAMED_FILES else ""
    return ", ".join(names) + more


def _is_link(parent: str, name: str) -> bool:
    return Path(parent, name).is_symlink()


def _is_recording(path: Path) -> bool:
    """Return whether a file of a folder is a recording, or one that cannot be read."""
    try:
        if not path.is_file():  # a socket, a pipe, a device, a link to nothing
            return False
        is_hidden = path.name.startswith(".")
        if path.suffix.lower() in _AUDIO_SUFFIXES and not is_hidden:
            return True
        return _has_audio(path)
    except PermissionError:
        return True


def _has_audio(path: Path) -> bool:
    """Return whether audio can be decoded from a file.

    Raises:
        PermissionError: the file must not be read.
    """
    from asr_core.audio.decode import AudioFile

    path.open("rb").close()
    try:
        next(iter(AudioFile(path)))
    except AudioError:
        return False
    return True
