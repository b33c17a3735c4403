"""Layouts of unpacked data sets: which files list the recordings, and how they are read.

Supported are one table (audiofolder, NeMo, Common Voice, LJ Speech, FLEURS), a Kaldi data
folder, and LibriSpeech's transcript per chapter.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from asr_core.errors import AsrError, ManifestError
from asr_core.evaluation.manifests import EntryError, ManifestEntry, read_entries
from asr_core.evaluation.set_files import Files, is_hidden
from asr_core.evaluation.tables import decode_text, numbered_lines
from asr_core.full_context.time_range import WHOLE_FILE, TimeRange
from asr_core.text.plain_text import shorten

__all__ = ["Listing", "NothingListed", "TableLimits", "find_listing", "read_listing", "read_split"]

_LISTING_NAMES = ("metadata.jsonl", "metadata.csv", "manifest.jsonl", "manifest.json", "manifest.csv",
          "manifest.tsv", "test.tsv", "validated.tsv")  # fmt: skip
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", "manifest.json")
_KALDI = "wav.scp"
_KALDI_FILES = (_KALDI, "text", "segments")
_LIBRISPEECH = ".trans.txt"
_TESTS = frozenset(("test", "eval", "evaluation"))

_FLAC = re.compile(r"flac -c -d -s (\S+) \|")
"""Kaldi's command for FLAC, as our exports and its LibriSpeech recipe write it."""


class NothingListed(ManifestError):
    """Data set without a table that lists its recordings."""


@dataclass(frozen=True)
class Listing:
    """Recordings of a set.

    Attributes:
        name: of the table, or of the folder of tables, that lists them.
        folder: to which their paths are relative.
        entries: its rows.
    """

    name: str
    folder: str
    entries: Sequence[ManifestEntry | EntryError]


@dataclass(frozen=True)
class TableLimits:
    """Limits on the size of tables; None for no limit."""

    rows: int | None = None
    table_bytes: int | None = None


# --- which -------------------------------------------------------------------------


def find_listing(files: Iterable[str]) -> tuple[str, str]:
    """Return the file that lists the others, and a note if there were alternatives (else empty).

    For LibriSpeech this is the folder of the speakers, with a trailing slash.

    Raises:
        NothingListed: there is none.
        ManifestError: several are equally likely.
    """
    names = sorted(name for name in files if not is_hidden(name))
    tables = [name for name in names if name.lower().endswith(_TABLES)]
    tables = tables or [name for name in names if name.lower().endswith(".json")]
    by_name: dict[str, list[str]] = {}
    for name in names:
        by_name.setdefault(PurePosixPath(name).name.lower(), []).append(name)
    for known in _LISTING_NAMES:
        if known in by_name:
            chosen = _one(by_name[known])
            return chosen, _choice_note(chosen, tables)
    kaldi = [name for name in by_name.get(_KALDI, []) if _beside(name, "text") in names]
    if kaldi:
        chosen = _one(kaldi)
        return chosen, _choice_note(chosen, kaldi)
    chapters = [name for name in names if name.lower().endswith(_LIBRISPEECH)]
    if chapters:
        folders = list(dict.fromkeys(_speakers_folder(name) for name in chapters))
        chosen = _one(folders)
        return chosen, _choice_note(chosen, folders)
    if not tables:
        raise NothingListed(
            "No manifest is among the files; add one table (CSV, TSV or JSONL) with a column for "
            "the file and one for the words, such as file_name,transcription."
        )
    chosen = _one(tables)
    return chosen, _choice_note(chosen, tables)


def _one(paths: Sequence[str]) -> str:
    """Return the path that is alone, or highest in the tree, or the only one for testing."""
    depth = min(len(PurePosixPath(path).parts) for path in paths)
    highest = [path for path in paths if len(PurePosixPath(path).parts) == depth]
    if len(highest) == 1:
        return highest[0]
    parts = [PurePosixPath(path).parts for path in paths]
    common = itertools.takewhile(
        lambda names: len(set(names)) == 1, zip(*(each[:-1] for each in parts), strict=False)
    )
    n_common = sum(1 for _ in common)
    tests = [
        path for path, each in zip(paths, parts, strict=True)
        if _TESTS & set(re.split(r"[^a-z]+", " ".join(each[n_common:]).lower()))
    ]  # fmt: skip
    if len(tests) == 1:
        return tests[0]
    raise ManifestError(
        f"Several tables are among the files, such as {shorten(paths[0])} and "
        f"{shorten(paths[1])}; give the one that you mean, or its folder."
    )


def _choice_note(chosen: str, all_: Sequence[str]) -> str:
    """Return a note on which of several was chosen, or an empty text.

    ``metadata`` and ``manifest`` in one folder are two forms of one list and need no note.
    """
    others = [path for path in all_ if path != chosen]
    stems = {PurePosixPath(path).stem.lower() for path in all_}
    if not others or (stems <= {"metadata", "manifest"} and len({_folder(p) for p in all_}) == 1):
        return ""
    return (
        f"Using {shorten(chosen)}; ignoring {shorten(others[0])}"
        f"{f' and {len(others) - 1} more' if len(others) > 1 else ''}."
    )


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _beside(path: str, name: str) -> str:
    return str(PurePosixPath(path).with_name(name))


def _speakers_folder(chapter: str) -> str:
    """Return ``test-clean/`` for ``test-clean/84/121123/84-121123.trans.txt``."""
    return f"{PurePosixPath(chapter).parent.parent.parent}/"


# --- read --------------------------------------------------------------------------


def read_listing(files: Files, name: str, limits: TableLimits = TableLimits()) -> Listing:
    """Read the recordings that a table, or a folder of LibriSpeech, lists.

    Raises:
        ManifestError: it cannot be read, exceeds ``limits``, or lists nothing.
    """
    read = _ListingReader(files, limits)
    folder = _folder(name)
    if PurePosixPath(name).name in _KALDI_FILES and _beside(name, _KALDI) in files:
        return _listing(name, folder, _kaldi(read, folder), limits)
    if name.endswith("/"):
        chapters = sorted(
            each for each in files
            if each.lower().endswith(_LIBRISPEECH) and not is_hidden(each)
            and _speakers_folder(each) == name
        )  # fmt: skip
        entries = (entry for each in chapters for entry in _librispeech(read, each))
        return _listing(name, str(PurePosixPath(name)), entries, limits)
    if name.lower().endswith(_LIBRISPEECH):
        return _listing(name, folder, _librispeech(read, name), limits)
    content = read.content(name)
    return Listing(name, folder, read_entries(PurePosixPath(name).name, content, limits.rows))


def _listing(
    name: str, folder: str, entries: Iterable[ManifestEntry | EntryError], limits: TableLimits
) -> Listing:
    found: list[ManifestEntry | EntryError] = []
    for entry in entries:
        if len(found) == limits.rows:
            raise ManifestError(
                f"{shorten(name)} has more than {limits.rows} lines, which is the most."
            )
        found.append(entry)
    problems = [entry for entry in found if isinstance(entry, EntryError)]
    if len(problems) == len(found):
        raise problems[0] if problems else ManifestError(f"{shorten(name)} lists no recording.")
    return Listing(name, folder, found)


def read_split(files: Files, split: str) -> Listing | None:
    """Return the part of audiofolder's top-level table that lies in folder ``split``, if there is one."""
    name = next((name for name in ("metadata.jsonl", "metadata.csv") if name in files), None)
    if name is None:
        return None
    listing = read_listing(files, name)
    entries = [
        entry for entry in listing.entries
        if isinstance(entry, EntryError)
        or PurePosixPath(entry.path.replace("\\", "/")).parts[:1] == (split,)
    ]  # fmt: skip
    return Listing(name, listing.folder, entries)


class _ListingReader:
    """Access to tables among files, within limits."""

    def __init__(self, files: Files, limits: TableLimits) -> None:
        self._files, self._most = files, limits.table_bytes

    def content(self, name: str) -> bytes:
        """Return a table's bytes.

        Raises:
            ManifestError: there is no such file, or it is too large.
        """
        called = shorten(name)
        if name not in self._files:
            raise ManifestError(f"{called} is not there.")
        try:
            with self._files[name]() as file:
                content = file.read(-1 if self._most is None else self._most + 1)
        except OSError as error:
            raise ManifestError(f"{called} cannot be read ({error.strerror}).") from None
        if self._most is not None and len(content) > self._most:
            raise ManifestError(
                f"The table is larger than {self._most / 1e6:.0f} MB; divide the set."
            )
        return content

    def keyed_lines(self, name: str) -> Iterator[tuple[str, str, str]]:
        """Yield the position, first word and rest of each line, as Kaldi writes them."""
        called = PurePosixPath(name).name
        for number, line in numbered_lines(decode_text(shorten(name), self.content(name))):
            key, *rest = line.split(maxsplit=1)
            yield f"line {number} of {shorten(called)}", key, "".join(rest).strip()

    def keyed(self, name: str) -> dict[str, str]:
        """Return the lines of a file by their first word; empty if there is no such file."""
        if name not in self._files:
            return {}
        return {key: value for _, key, value in self.keyed_lines(name)}


def _librispeech(read: _ListingReader, chapter: str) -> Iterator[ManifestEntry | EntryError]:
    folder = _folder(chapter)
    speaker = PurePosixPath(folder).parent.name
    tags: Mapping[str, str] = {"speaker": speaker} if speaker else {}
    for where, key, reference in read.keyed_lines(chapter):
        yield ManifestEntry(f"{folder}/{key}", reference, None, tags, where)


def _kaldi(read: _ListingReader, folder: str) -> Iterator[ManifestEntry | EntryError]:
    in_folder: Callable[[str], str] = lambda name: str(PurePosixPath(folder) / name)  # noqa: E731
    sounds = read.keyed(in_folder("wav.scp"))
    segments = read.keyed(in_folder("segments"))
    speakers = read.keyed(in_folder("utt2spk"))
    seen: set[str] = set()
    for where, key, reference in read.keyed_lines(in_folder("text")):
        try:
            if key in seen:
                raise ManifestError(f"{shorten(key)} is there twice")
            seen.add(key)
            recording, time_range = (
                _segment(key, segments) if segments else (key, WHOLE_FILE)
            )  # fmt: skip
            path = _sound(recording, sounds)
        except AsrError as error:
            yield EntryError(where, str(error).rstrip("."))
            continue
        tags = {"speaker": speakers[key]} if key in speakers else {}
        yield ManifestEntry(path, reference, None, tags, where, time_range, key)


def _segment(key: str, segments: Mapping[str, str]) -> tuple[str, TimeRange]:
    if key not in segments:
        raise ManifestError(f"{shorten(key)} is not in segments")
    try:
        recording, start, end = segments[key].split()
        start_s, end_s = float(start), float(end)
        if not (0 <= start_s < 1e7 and (end_s == -1 or start_s < end_s < 1e7)):
            raise ValueError
    except ValueError:
        raise ManifestError(
            f"segments has no valid times for {shorten(key)}: {shorten(segments[key])}"
        ) from None
    return recording, TimeRange(start_s, None if end_s == -1 else end_s)


def _sound(recording: str, sounds: Mapping[str, str]) -> str:
    path = sounds.get(recording, "")
    if not path:
        raise ManifestError(f"{shorten(recording)} is not in wav.scp")
    unpacked = _FLAC.fullmatch(path)
    if unpacked:
        return unpacked[1]
    if path.endswith("|"):
        raise ManifestError(
            f"wav.scp has a command for {shorten(recording)}, and commands are not run; write "
            "the path of a sound file"
        )
    return path
