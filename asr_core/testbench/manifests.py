"""Test sets in and out: tables of files with the words in them.

In come CSV, TSV and JSONL with the column names of Hugging Face's audiofolder, NeMo,
Common Voice and our own; out goes a ZIP that audiofolder, NeMo and Kaldi read.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from asr_core.audio.decode import decode
from asr_core.audio.encode import to_int16
from asr_core.errors import AsrError, ManifestError
from asr_core.languages import LANGUAGES
from asr_core.plain_text import shortened
from asr_core.testbench.cases import MAX_CASE_S, Case, NewCase

__all__ = ["Entry", "find_manifest", "read_cases", "read_entries", "write_set"]

_PATH = ("file_name", "audio_filepath", "path", "audio", "file", "filename")
_SAID = ("transcription", "text", "sentence", "reference", "said", "transcript")
_LANGUAGE = ("language", "lang", "locale", "language_code")
_NO_TAGS = frozenset(
    ("duration", "seconds", "id", "split", "sampling_rate", "sample_rate", "offset")
)
_NAMES = ("metadata.jsonl", "metadata.csv", "manifest.jsonl", "manifest.json", "manifest.csv",
          "manifest.tsv", "validated.tsv", "test.tsv")  # fmt: skip


# More columns than any table of recordings has; a header of millions of them would
# make every short line below as long as itself.
_MAX_COLUMNS = 200
_MAX_LINE = 1_000_000  # characters of a JSON line, before it is parsed into many times that
_MAX_PATH = 1000

csv.field_size_limit(2**31 - 1)  # what is too long is said for its line, by the store


@dataclass(frozen=True)
class Entry:
    """A line of a manifest.

    Attributes:
        path: as written there.
        language: code, or None where the line tells none.
    """

    path: str
    said: str
    language: str | None
    tags: Mapping[str, str]


def find_manifest(names: Iterable[str]) -> str:
    """Of the files' paths the one that lists the others.

    Raises:
        ManifestError: none does, or it cannot be told which.
    """
    names = list(names)
    by_name: dict[str, list[str]] = {}
    for name in names:
        by_name.setdefault(PurePosixPath(name).name.lower(), []).append(name)
    for known in _NAMES:
        if len(by_name.get(known, ())) == 1:
            return by_name[known][0]
    found = [name for name in names if name.lower().endswith((".csv", ".tsv", ".jsonl"))]
    if len(found) > 1:
        raise ManifestError(
            f"Several tables are among the files, such as {shortened(found[0])} and "
            f"{shortened(found[1])}; leave the one that lists the recordings."
        )
    if not found:
        raise ManifestError(
            "No manifest is among the files; add one table (CSV, TSV or JSONL) with a column for "
            "the file and one for the words, such as file_name,transcription."
        )
    return found[0]


def read_entries(name: str, content: bytes) -> list[Entry | ManifestError]:
    """The lines of the manifest called ``name``, or what is wrong with them.

    Raises:
        ManifestError: it is no table of that kind, or not one of its lines can be used.
    """
    called = shortened(name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ManifestError(f"{called} is no text in UTF-8; save it as such.") from None
    is_json = name.lower().endswith((".jsonl", ".json"))
    entries: list[Entry | ManifestError] = []
    for number, row in _json_rows(text) if is_json else _rows(called, name, text):
        try:
            entries.append(_entry(called, number, row))
        except ManifestError as error:
            entries.append(error)
    problems = [entry for entry in entries if isinstance(entry, ManifestError)]
    if problems and len(problems) == len(entries):
        raise problems[0]
    return entries


class _Unread(str):
    """What is wrong with a line; JSON's own texts are plain ``str``."""


def _json_rows(text: str) -> Iterator[tuple[int, Any]]:
    """Number and content of each line; a sentence for one that is no JSON."""
    # Not splitlines(): JSON's texts may hold U+2028 and others that it splits at.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            if len(line) > _MAX_LINE:
                yield number, _Unread(f"is longer than {_MAX_LINE} characters")
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError, MemoryError):  # also numbers of 5,000 digits
                yield number, _Unread("is no JSON object")


def _rows(called: str, name: str, text: str) -> Iterator[tuple[int, Any]]:
    delimiter = "\t" if name.lower().endswith(".tsv") else _delimiter(text)
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        if len(table.fieldnames or ()) > _MAX_COLUMNS:
            raise ManifestError(
                f"{called} has {len(table.fieldnames or ())} columns; at most {_MAX_COLUMNS} "
                "are read."
            )
        yield from enumerate(table, 1)
    except csv.Error as error:
        raise ManifestError(f"{called} is no table ({error}).") from None


def _delimiter(text: str) -> str:
    first = text.split("\n", 1)[0]
    return max(",;\t", key=first.count)


def _entry(called: str, number: int, row: Any) -> Entry:
    if not isinstance(row, dict):
        problem = row if isinstance(row, _Unread) else "is no JSON object"
        raise ManifestError(f"Line {number} of {called} {problem}.")
    fields = {str(key).strip().lower(): value for key, value in row.items() if key is not None}
    path = next((fields[key] for key in _PATH if fields.get(key)), None)
    said_key = next((key for key in _SAID if key in fields), None)
    if path is None or said_key is None:
        raise ManifestError(
            f"Entry {number} of {called} needs a file ({', '.join(_PATH[:3])} …) and its words "
            f"({', '.join(_SAID[:3])} …)."
        )
    language = next((fields[key] for key in _LANGUAGE if fields.get(key)), None)
    for what, value in (("file", path), ("words", fields[said_key]), ("language", language)):
        if not isinstance(value, str | None):
            raise ManifestError(f"Entry {number} of {called}: the {what} must be a text.")
    if len(path) > _MAX_PATH:
        raise ManifestError(
            f"Entry {number} of {called}: the path of the file is longer than {_MAX_PATH} "
            "characters."
        )
    used = {*_PATH, *_SAID, *_LANGUAGE, *_NO_TAGS}
    tags = {
        key: str(value).strip()
        for key, value in fields.items()
        if key not in used and isinstance(value, str | int | bool) and str(value).strip()
    }
    return Entry(path, (fields[said_key] or "").strip(), _code(language), tags)


def _code(language: str | None) -> str | None:
    """``en`` of ``en-GB``, ``en_us`` and ``English``."""
    if language is None:
        return None
    code = language.replace("_", "-").split("-")[0].lower()
    names = {name.lower(): key for key, name in LANGUAGES.items()}
    return code if code in LANGUAGES else names.get(language.lower(), code)


def read_cases(
    entries: Iterable[Entry | ManifestError],
    open_file: Callable[[str], BinaryIO],
    language: str = "en",
) -> Iterator[NewCase | AsrError]:
    """A case of each entry, or what is wrong with it; the others go on.

    One recording is in memory at a time, and never more of it than a case may have.

    Args:
        open_file: of a path as the manifest writes it; raises AsrError.
        language: where the manifest tells none.
    """
    for entry in entries:
        if isinstance(entry, AsrError):
            yield entry
            continue
        try:
            with open_file(entry.path) as file:
                samples = decode(file, entry.path, MAX_CASE_S)
            yield NewCase(
                PurePosixPath(entry.path.replace("\\", "/")).stem,
                entry.said,
                to_int16(samples),
                entry.language or language,
                entry.tags,
            )
        except AsrError as error:
            yield error


def write_set(cases: Iterable[Case], flac: Callable[[str], bytes], file: BinaryIO) -> None:
    """``cases`` as a ZIP: ``metadata.jsonl`` for audiofolder, ``manifest.jsonl`` for NeMo,
    ``wav.scp``, ``text`` and ``utt2spk`` for Kaldi, and the audio.

    Args:
        flac: the audio of a case's id.
    """
    ordered = sorted(cases, key=lambda case: case.id)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for case in ordered:
            # Sound is packed already.
            archive.writestr(
                zipfile.ZipInfo(_path(case)), flac(case.id), compress_type=zipfile.ZIP_STORED
            )
        for name, lines in _tables(ordered).items():
            archive.writestr(name, "".join(f"{line}\n" for line in lines))


def _path(case: Case) -> str:
    return f"audio/{case.id}.flac"


def _tables(cases: list[Case]) -> dict[str, list[str]]:
    def as_json(row: dict[str, Any]) -> str:
        return json.dumps(row, ensure_ascii=False)

    # Every line has every tag, so that all columns have one type.
    tags = sorted({tag for case in cases for tag in case.tags})
    hugging_face, nemo, kaldi = [], [], []
    for case in cases:
        known = {tag: case.tags.get(tag, "") for tag in tags}
        common = {"name": case.name, "language": case.language, **known}
        hugging_face.append(
            as_json({"file_name": _path(case), "transcription": case.said, **common})
        )
        nemo.append(
            as_json(
                {
                    "audio_filepath": _path(case),
                    "text": case.said,
                    "duration": round(case.seconds, 3),
                    **common,
                }
            )
        )
        kaldi.append((case.id, " ".join(case.said.split()), case.tags.get("speaker", case.id)))
    return {
        "metadata.jsonl": hugging_face,
        "manifest.jsonl": nemo,
        "wav.scp": [f"{key} flac -c -d -s audio/{key}.flac |" for key, _, _ in kaldi],
        "text": [f"{key} {said}" for key, said, _ in kaldi],
        "utt2spk": [f"{key} {'_'.join(speaker.split())}" for key, _, speaker in kaldi],
    }
