"""Manifests: the recordings a table lists, and the cases made of them.

Columns are those of Hugging Face's audiofolder, NeMo, Common Voice, Coqui STT and our own;
LJ Speech and FLEURS have no header and are recognised by their form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from asr_core.audio.decode import AudioFile
from asr_core.audio.pcm import to_int16
from asr_core.errors import AsrError, ManifestError
from asr_core.evaluation.cases import MAX_CASE_S, NewCase
from asr_core.evaluation.range_reader import SequentialRangeReader
from asr_core.evaluation.tables import (
    InvalidRow,
    TableRow,
    decode_text,
    normalise_column,
    numbered_lines,
    read_rows,
)
from asr_core.full_context.time_range import WHOLE_FILE, TimeRange
from asr_core.languages import language_code
from asr_core.text.plain_text import shorten

__all__ = ["EntryError", "ManifestEntry", "file_stem", "read_cases", "read_entries"]

_PATH_COLUMNS = ("file_name", "audio_filepath", "path", "audio", "file", "filename", "wav_filename",
         "audio_file", "audio_path", "file_path", "filepath")  # fmt: skip
_REFERENCE_COLUMNS = ("transcription", "text", "sentence", "reference", "said", "transcript",
         "normalized_text", "raw_text", "raw_transcription")  # fmt: skip
_LANGUAGE_COLUMNS = ("language", "lang", "locale", "language_code")
_OFFSET_COLUMN, _DURATION_COLUMN = "offset", "duration"
_KNOWN_COLUMNS = frozenset(
    (*_PATH_COLUMNS, *_REFERENCE_COLUMNS, *_LANGUAGE_COLUMNS, _OFFSET_COLUMN, _DURATION_COLUMN)
)
_NO_TAGS = frozenset(
    ("seconds", "id", "split", "sampling_rate", "sample_rate", "wav_filesize", "sentence_id")
)
_NEMO = "audio_filepath"

_MAX_PATH = 1000
_MAX_SECONDS = 10_000_000.0  # four months; NeMo users write 100,000 for an unknown length

_LJ_FIELDS = (2, 3)  # id, text as printed, text as read aloud
_FLEURS_FIELDS = 7  # id, file, text, the same in small letters, its letters, samples, gender


class EntryError(ManifestError):
    """Row that cannot be used.

    Attributes:
        where: such as "line 7".
        reason: the end of a sentence that begins "line 7: ", without a full stop.
    """

    def __init__(self, where: str, reason: str, called: str = "") -> None:
        self.where, self.reason = where, reason
        place = f"{where} of {called}" if called else where
        super().__init__(f"{place[0].upper()}{place[1:]}: {reason}.")


@dataclass(frozen=True)
class ManifestEntry:
    """Row of a manifest.

    Attributes:
        path: as the manifest writes it.
        language: code, or None if the row has none.
        where: such as "line 7".
        time_range: part of the file.
        name: of the case; empty for the name of the file.
    """

    path: str
    reference: str
    language: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    time_range: TimeRange = WHOLE_FILE
    name: str = ""

    @property
    def title(self) -> str:
        """Name of the case."""
        if self.name:
            return self.name
        stem = file_stem(self.path)
        return (
            stem if self.time_range == WHOLE_FILE else f"{stem} from {self.time_range.start_s:g} s"
        )


def file_stem(path: str) -> str:
    """Return a file's name without folders and extension, for paths of any system."""
    return PurePosixPath(path.replace("\\", "/")).stem


def read_entries(
    name: str, content: bytes, most: int | None = None
) -> list[ManifestEntry | EntryError]:
    """Return the rows of a manifest, or for each bad row what is wrong with it.

    Args:
        name: of the file.
        content: of the file.
        most: how many rows are allowed.

    Raises:
        ManifestError: it is no manifest, has too many rows, or none of them can be used.
    """
    called = shorten(name)
    text = decode_text(called, content)
    rows = read_rows(name, text, (frozenset(_PATH_COLUMNS), frozenset(_REFERENCE_COLUMNS)))
    entries: list[ManifestEntry | EntryError] = []
    for row in _without_header(called, text) if rows is None else rows:
        if len(entries) == most:
            raise ManifestError(f"{called} has more than {most} lines, which is the most.")
        try:
            entries.append(_entry(row))
        except EntryError as problem:
            entries.append(EntryError(problem.where, problem.reason, called))
    problems = [entry for entry in entries if isinstance(entry, EntryError)]
    if problems and len(problems) == len(entries):
        raise problems[0]
    return entries


# --- tables without a header -------------------------------------------------------


def _without_header(called: str, text: str) -> Iterator[TableRow | InvalidRow]:
    lines = numbered_lines(text)
    _, first = next(lines, (1, ""))
    if len(first.split("|")) in _LJ_FIELDS and "\t" not in first:
        return _lj_speech(called, text)
    cells = first.split("\t")
    if len(cells) == _FLEURS_FIELDS and cells[1].lower().endswith(".wav"):
        return _fleurs(text)
    raise ManifestError(
        f"{called} does not begin with the names of its columns: one for the file "
        f"({', '.join(_PATH_COLUMNS[:3])} …) and one for its words ({', '.join(_REFERENCE_COLUMNS[:3])} …)."
    )


def _lj_speech(called: str, text: str) -> Iterator[TableRow | InvalidRow]:
    rows = [(number, line.split("|")) for number, line in numbered_lines(text)]
    n_columns = len(rows[0][1])
    if not _is_spoken([cells for _, cells in rows if len(cells) == n_columns]):
        raise ManifestError(
            f"{called} does not name its columns, and the third can't be what is said; begin it "
            "with a line such as file_name|text|speaker."
        )
    for number, cells in rows:
        if len(cells) == n_columns:
            yield TableRow(number, {"file": cells[0], "text": cells[-1]})
        else:
            yield InvalidRow(
                number, f"it has {len(cells)} fields, but the first line has {n_columns}"
            )


def _is_spoken(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the last column is a transcript rather than, say, a speaker.

    A transcript repeats most words of the text in the second column as they are read aloud, or
    is the only text there is.
    """
    printed = [set(cells[1].lower().split()) for cells in rows]
    spoken = [set(cells[-1].lower().split()) for cells in rows]
    n_printed, n_spoken = (sum(map(len, words)) for words in (printed, spoken))
    n_same = sum(len(a & b) for a, b in zip(printed, spoken, strict=True))
    return 2 * n_same >= n_printed or n_spoken > 2 * n_printed


def _fleurs(text: str) -> Iterator[TableRow | InvalidRow]:
    for number, line in numbered_lines(text):
        cells = line.split("\t")
        if len(cells) == _FLEURS_FIELDS:
            yield TableRow(number, {"file": cells[1], "text": cells[3], "gender": cells[6].lower()})
        else:
            yield InvalidRow(number, f"it has {len(cells)} fields instead of {_FLEURS_FIELDS}")


# --- rows --------------------------------------------------------------------------


def _entry(row: TableRow | InvalidRow) -> ManifestEntry:
    where = f"line {row.line}"
    if isinstance(row, InvalidRow):
        raise EntryError(where, row.problem)
    try:
        return _read(where, row.fields)
    except AsrError as error:  # an unknown language, or an empty range
        raise EntryError(where, str(error).rstrip(".")) from None
    except ValueError as error:
        raise EntryError(where, str(error)) from None


def _read(where: str, fields: Mapping[str, Any]) -> ManifestEntry:
    """Return the entry of a row.

    Raises:
        ValueError: with the end of a sentence that begins "line 7: ".
    """
    known = _known(fields)
    path = _text(known, _PATH_COLUMNS, "file")
    reference = _text(known, _REFERENCE_COLUMNS, "words")
    if path is None or not path.strip():
        raise ValueError(f"it has no file name ({', '.join(_PATH_COLUMNS[:3])} …)")
    if len(path) > _MAX_PATH:
        raise ValueError(f"the path of the file is longer than {_MAX_PATH} characters")
    if reference is None:
        raise ValueError(
            f"it has no transcript ({', '.join(_REFERENCE_COLUMNS[:3])} …); leave it empty where nobody speaks"
        )
    language = _text(known, _LANGUAGE_COLUMNS, "language")
    tags = {
        key.strip().lower(): str(value).strip()
        for key, value in fields.items()
        if normalise_column(key) not in _KNOWN_COLUMNS | _NO_TAGS
        and isinstance(value, str | int | bool)
        and key.strip()
        and str(value).strip()
    }
    code = language_code(language) if language else None
    return ManifestEntry(path, reference, code, tags, where, _range(known))


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for key, value in fields.items():
        name = normalise_column(key)
        if name in _KNOWN_COLUMNS:
            if name in known and known[name] != value:
                raise ValueError(f"it has {name} twice, written in two ways")
            known[name] = value
    return known


def _text(known: Mapping[str, Any], names: Sequence[str], what: str) -> str | None:
    """Return the first non-empty text of the columns ``names``; None if there is no such column."""
    found: str | None = None
    for name in names:
        value = known.get(name)
        if isinstance(value, dict) and what == "file":
            value = value.get("path", value)  # Hugging Face's form of audio
        if value is None:
            continue
        if not isinstance(value, str):
            raise ValueError(f"the {what} must be a text")
        found = value.strip() if what != "file" else value
        if found.strip():
            return found
    return found


def _range(known: Mapping[str, Any]) -> TimeRange:
    """Return what NeMo's columns mean; a duration alone does in its own manifests only."""
    offset = _seconds(known.get(_OFFSET_COLUMN), _OFFSET_COLUMN)
    duration = _seconds(known.get(_DURATION_COLUMN), _DURATION_COLUMN) if offset is not None or (
        _NEMO in known
    ) else None  # fmt: skip
    start = offset or 0.0
    return TimeRange(start, start + duration if duration else None)


def _seconds(value: Any, what: str) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < _MAX_SECONDS:
        raise ValueError(f"the {what} {shorten(str(value), 20)!r} is not a number of seconds")
    return seconds


# --- cases -------------------------------------------------------------------------


def read_cases(
    entries: Sequence[ManifestEntry | EntryError],
    open_file: Callable[[str], BinaryIO],
    language: str = "en",
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[tuple[int, NewCase | EntryError]]:
    """Yield the index of each entry with its case, or with what is wrong with it.

    They come file by file, so that a file with many rows is decoded once. One recording is in
    memory at a time, and never more of it than a case may have.

    Args:
        entries: rows of a manifest.
        open_file: opens a path as the manifest writes it; raises AsrError.
        language: for rows that name none.
        note: called with remarks on files that could be read.
    """
    by_path: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        if isinstance(entry, EntryError):
            yield place, entry
        else:
            by_path.setdefault(entry.path, []).append(place)
    for path, places in by_path.items():
        rows = [
            (place, entry) for place in places if isinstance(entry := entries[place], ManifestEntry)
        ]
        rows.sort(key=lambda row: row[1].time_range.start_s)
        yield from _cases_of_file(path, rows, open_file, language, note)


def _cases_of_file(
    path: str,
    rows: Iterable[tuple[int, ManifestEntry]],
    open_file: Callable[[str], BinaryIO],
    language: str,
    note: Callable[[str], None],
) -> Iterator[tuple[int, NewCase | EntryError]]:
    rows = iter(rows)
    try:
        with open_file(path) as file:
            audio = AudioFile(file, path)
            reader = SequentialRangeReader(audio, MAX_CASE_S)
            for place, entry in rows:
                try:
                    yield place, _case(entry, reader, language)
                except AsrError as error:
                    yield place, _problem(entry, error)
            for text in audio.notes:
                note(text)
    except AsrError as error:
        for place, entry in rows:
            yield place, _problem(entry, error)


def _case(entry: ManifestEntry, reader: SequentialRangeReader, language: str) -> NewCase:
    samples = to_int16(reader.samples(entry.time_range))
    return NewCase(entry.title, entry.reference, samples, entry.language or language, entry.tags)


def _problem(entry: ManifestEntry, error: AsrError) -> EntryError:
    return EntryError(entry.where or entry.title, str(error).rstrip("."))
