"""Manifests: what the rows of a table say of recordings, and cases made of it.

Columns are those of Hugging Face's audiofolder, NeMo, Common Voice, Coqui STT and our own;
LJ Speech and FLEURS have no header and are known by their form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from asr_core.audio.decode import AudioFile
from asr_core.audio.encode import to_int16
from asr_core.errors import AsrError, ManifestError
from asr_core.fullcontext.stretch import WHOLE, Stretch
from asr_core.languages import language_code
from asr_core.plain_text import shortened
from asr_core.testbench.cases import MAX_CASE_S, NewCase
from asr_core.testbench.stretches import StretchReader
from asr_core.testbench.tables import Row, Unread, column_name, numbered_lines, rows_of, text_of

__all__ = ["Entry", "Problem", "file_stem", "read_cases", "read_entries"]

_PATH = ("file_name", "audio_filepath", "path", "audio", "file", "filename", "wav_filename",
         "audio_file", "audio_path", "file_path", "filepath")  # fmt: skip
_SAID = ("transcription", "text", "sentence", "reference", "said", "transcript",
         "normalized_text", "raw_text", "raw_transcription")  # fmt: skip
_LANGUAGE = ("language", "lang", "locale", "language_code")
_OFFSET, _DURATION = "offset", "duration"
_KNOWN = frozenset((*_PATH, *_SAID, *_LANGUAGE, _OFFSET, _DURATION))
_NO_TAGS = frozenset(
    ("seconds", "id", "split", "sampling_rate", "sample_rate", "wav_filesize", "sentence_id")
)
_NEMO = "audio_filepath"

_MAX_PATH = 1000
_MAX_SECONDS = 10_000_000.0  # four months; NeMo's users write 100,000 for a length they don't know

_LJ_FIELDS = (2, 3)  # id, text as printed, text as it is read
_FLEURS_FIELDS = 7  # id, file, text, the same in small letters, its letters, samples, gender


class Problem(ManifestError):
    """What is wrong with one row, so that it is left out.

    Attributes:
        where: such as "line 7".
        reason: as it goes on after "line 7: ", without a full stop.
    """

    def __init__(self, where: str, reason: str, called: str = "") -> None:
        self.where, self.reason = where, reason
        place = f"{where} of {called}" if called else where
        super().__init__(f"{place[0].upper()}{place[1:]}: {reason}.")


@dataclass(frozen=True)
class Entry:
    """A row of a manifest.

    Attributes:
        path: as written there.
        language: code, or None where the row tells none.
        where: such as "line 7".
        stretch: of the file.
        name: of the case; empty for that of the file.
    """

    path: str
    said: str
    language: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    stretch: Stretch = WHOLE
    name: str = ""

    @property
    def title(self) -> str:
        """The case's name."""
        if self.name:
            return self.name
        stem = file_stem(self.path)
        return stem if self.stretch == WHOLE else f"{stem} from {self.stretch.start_s:g} s"


def file_stem(path: str) -> str:
    """Return the name of a file without folders and extension, whoever's path it is."""
    return PurePosixPath(path.replace("\\", "/")).stem


def read_entries(name: str, content: bytes, most: int | None = None) -> list[Entry | Problem]:
    """Return the rows of the manifest called ``name``, or what is wrong with them.

    Args:
        most: how many rows it may have.

    Raises:
        ManifestError: it is no manifest, has too many rows, or none of them can be used.
    """
    called = shortened(name)
    text = text_of(called, content)
    rows = rows_of(name, text, (frozenset(_PATH), frozenset(_SAID)))
    entries: list[Entry | Problem] = []
    for row in _without_header(called, text) if rows is None else rows:
        if len(entries) == most:
            raise ManifestError(f"{called} has more than {most} lines, which is the most.")
        try:
            entries.append(_entry(row))
        except Problem as problem:
            entries.append(Problem(problem.where, problem.reason, called))
    problems = [entry for entry in entries if isinstance(entry, Problem)]
    if problems and len(problems) == len(entries):
        raise problems[0]
    return entries


# --- tables without a header -------------------------------------------------------


def _without_header(called: str, text: str) -> Iterator[Row | Unread]:
    lines = numbered_lines(text)
    _, first = next(lines, (1, ""))
    if len(first.split("|")) in _LJ_FIELDS and "\t" not in first:
        return _lj_speech(called, text)
    cells = first.split("\t")
    if len(cells) == _FLEURS_FIELDS and cells[1].lower().endswith(".wav"):
        return _fleurs(text)
    raise ManifestError(
        f"{called} does not begin with the names of its columns: one for the file "
        f"({', '.join(_PATH[:3])} …) and one for its words ({', '.join(_SAID[:3])} …)."
    )


def _lj_speech(called: str, text: str) -> Iterator[Row | Unread]:
    rows = [(number, line.split("|")) for number, line in numbered_lines(text)]
    n_columns = len(rows[0][1])
    if not _is_spoken([cells for _, cells in rows if len(cells) == n_columns]):
        raise ManifestError(
            f"{called} does not name its columns, and the third can't be what is said; begin it "
            "with a line such as file_name|text|speaker."
        )
    for number, cells in rows:
        if len(cells) == n_columns:
            yield Row(number, {"file": cells[0], "text": cells[-1]})
        else:
            yield Unread(number, f"it has {len(cells)} fields, but the first line has {n_columns}")


def _is_spoken(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the last column is how the text in the second is read aloud, or the only
    text there is; in sets of this form it may be a speaker."""
    printed = [set(cells[1].lower().split()) for cells in rows]
    spoken = [set(cells[-1].lower().split()) for cells in rows]
    n_printed, n_spoken = (sum(map(len, words)) for words in (printed, spoken))
    n_same = sum(len(a & b) for a, b in zip(printed, spoken, strict=True))
    return 2 * n_same >= n_printed or n_spoken > 2 * n_printed


def _fleurs(text: str) -> Iterator[Row | Unread]:
    for number, line in numbered_lines(text):
        cells = line.split("\t")
        if len(cells) == _FLEURS_FIELDS:
            yield Row(number, {"file": cells[1], "text": cells[3], "gender": cells[6].lower()})
        else:
            yield Unread(number, f"it has {len(cells)} fields instead of {_FLEURS_FIELDS}")


# --- rows --------------------------------------------------------------------------


def _entry(row: Row | Unread) -> Entry:
    where = f"line {row.line}"
    if isinstance(row, Unread):
        raise Problem(where, row.problem)
    try:
        return _read(where, row.fields)
    except AsrError as error:  # of the language, or of a stretch without length
        raise Problem(where, str(error).rstrip(".")) from None
    except ValueError as error:
        raise Problem(where, str(error)) from None


def _read(where: str, fields: Mapping[str, Any]) -> Entry:
    """Raises ValueError with what is wrong, as it goes on after "line 7: "."""
    known = _known(fields)
    path = _text(known, _PATH, "file")
    said = _text(known, _SAID, "words")
    if path is None or not path.strip():
        raise ValueError(f"it names no file ({', '.join(_PATH[:3])} …)")
    if len(path) > _MAX_PATH:
        raise ValueError(f"the path of the file is longer than {_MAX_PATH} characters")
    if said is None:
        raise ValueError(
            f"it tells no words ({', '.join(_SAID[:3])} …); leave them empty where nobody speaks"
        )
    language = _text(known, _LANGUAGE, "language")
    tags = {
        key.strip().lower(): str(value).strip()
        for key, value in fields.items()
        if column_name(key) not in _KNOWN | _NO_TAGS
        and isinstance(value, str | int | bool)
        and key.strip()
        and str(value).strip()
    }
    code = language_code(language) if language else None
    return Entry(path, said, code, tags, where, _stretch(known))


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for key, value in fields.items():
        name = column_name(key)
        if name in _KNOWN:
            if name in known and known[name] != value:
                raise ValueError(f"it has {name} twice, written in two ways")
            known[name] = value
    return known


def _text(known: Mapping[str, Any], names: Sequence[str], what: str) -> str | None:
    """Return the first that is not empty; None if there is none at all."""
    found: str | None = None
    for name in names:
        value = known.get(name)
        if isinstance(value, dict) and what == "file":
            value = value.get("path", value)  # as Hugging Face's data sets write sound
        if value is None:
            continue
        if not isinstance(value, str):
            raise ValueError(f"the {what} must be a text")
        found = value.strip() if what != "file" else value
        if found.strip():
            return found
    return found


def _stretch(known: Mapping[str, Any]) -> Stretch:
    """Return what NeMo's columns mean; a duration alone does in its own manifests only."""
    offset = _seconds(known.get(_OFFSET), _OFFSET)
    duration = _seconds(known.get(_DURATION), _DURATION) if offset is not None or (
        _NEMO in known
    ) else None  # fmt: skip
    start = offset or 0.0
    return Stretch(start, start + duration if duration else None)


def _seconds(value: Any, what: str) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < _MAX_SECONDS:
        raise ValueError(f"the {what} {shortened(str(value), 20)!r} is no number of seconds")
    return seconds


# --- cases -------------------------------------------------------------------------


def read_cases(
    entries: Sequence[Entry | Problem],
    open_file: Callable[[str], BinaryIO],
    language: str = "en",
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[tuple[int, NewCase | Problem]]:
    """Yield the place of each entry with its case, or with what is wrong with it.

    They come file by file, so that one which many rows are of is decoded once. One
    recording is in memory at a time, and never more of it than a case may have.

    Args:
        open_file: of a path as the manifest writes it; raises AsrError.
        language: where the manifest tells none.
        note: takes what is to be known of a file that could be read.
    """
    by_path: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        if isinstance(entry, Problem):
            yield place, entry
        else:
            by_path.setdefault(entry.path, []).append(place)
    for path, places in by_path.items():
        rows = [(place, entry) for place in places if isinstance(entry := entries[place], Entry)]
        rows.sort(key=lambda row: row[1].stretch.start_s)
        yield from _cases_of_file(path, rows, open_file, language, note)


def _cases_of_file(
    path: str,
    rows: Iterable[tuple[int, Entry]],
    open_file: Callable[[str], BinaryIO],
    language: str,
    note: Callable[[str], None],
) -> Iterator[tuple[int, NewCase | Problem]]:
    rows = iter(rows)
    try:
        with open_file(path) as file:
            audio = AudioFile(file, path)
            reader = StretchReader(audio, MAX_CASE_S)
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


def _case(entry: Entry, reader: StretchReader, language: str) -> NewCase:
    samples = to_int16(reader.samples(entry.stretch))
    return NewCase(entry.title, entry.said, samples, entry.language or language, entry.tags)


def _problem(entry: Entry, error: AsrError) -> Problem:
    return Problem(entry.where or entry.title, str(error).rstrip("."))
