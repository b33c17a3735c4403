"""Which recordings a command line means: files, folders, patterns, standard input."""

from __future__ import annotations

import glob
import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["Input", "expand", "targets"]

STANDARD_INPUT = "-"

_EXTENSIONS = frozenset(
    [
        ".3gp",
        ".aac",
        ".ac3",
        ".aif",
        ".aiff",
        ".amr",
        ".au",
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
        ".mts",
        ".oga",
        ".ogg",
        ".ogv",
        ".opus",
        ".sph",
        ".ts",
        ".wav",
        ".wave",
        ".weba",
        ".webm",
        ".wma",
        ".wmv",
    ]
)
"""What is taken from a folder; a file that is named is tried whatever it is called."""


@dataclass(frozen=True)
class Input:
    """One recording.

    Attributes:
        source: a path, or the bytes of standard input.
        name: to call it by in messages.
        place: where its result belongs below an output folder, with its extension.
    """

    source: Path | BinaryIO
    name: str
    place: Path


def expand(arguments: Iterable[str]) -> Iterator[Input]:
    """The recordings that ``arguments`` mean, in their order, folders sorted by name."""
    for argument in arguments:
        path = Path(argument)
        if argument == STANDARD_INPUT:
            data = io.BytesIO(sys.stdin.buffer.read())
            yield Input(data, "standard input", Path("stdin"))
        elif path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.suffix.lower() in _EXTENSIONS and file.is_file():
                    yield Input(file, file.name, file.relative_to(path))
        elif not path.exists() and glob.has_magic(argument):
            # A shell that knows patterns has replaced them already.
            found = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - takes absolute patterns
            yield from (Input(p, p.name, Path(p.name)) for p in map(Path, found) if p.is_file())
        else:
            yield Input(path, path.name, Path(path.name))


def targets(inputs: Iterable[Input], directory: Path, extension: str) -> list[Path]:
    """The output file of each input; with the old extension too where two would share one."""
    taken: set[Path] = set()
    result = []
    for item in inputs:
        target = directory / item.place.with_suffix(f".{extension}")
        if target in taken:
            target = directory / f"{item.place}.{extension}"
        taken.add(target)
        result.append(target)
    return result
