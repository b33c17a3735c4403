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
from asr_core.testbench.cases import Case, NewCase

__all__ = ["Entry", "find_manifest", "read_cases", "read_entries", "write_set"]

_PATH = ("file_name", "audio_filepath", "path", "audio", "file", "filename")
_SAID = ("transcription", "text", "sentence", "reference", "said", "transcript")
_LANGUAGE = ("language", "lang", "locale", "language_code")
_NO_TAGS = frozenset(
    ("duration", "seconds", "id", "split", "sampling_rate", "sample_rate", "offset")
)
_NAMES = ("metadata.jsonl", "metadata.csv", "manifest.jsonl", "manifest.json", "manifest.csv",
          "manifest.tsv", "validated.tsv", "test.tsv")  # fmt: skip


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
    for known in _NAMES:
        found = [name for name in names if PurePosixPath(name).name.lower() == known]
        if len(found) == 1:
            return found[0]
    found = [name for name in names if name.lower().endswith((".csv", ".tsv", ".jsonl"))]
    if len(found) != 1:
        raise ManifestError(
            "No manifest is among the files; add one table (CSV, TSV or JSONL) with a column for "
            "the file and one for the words, such as file_name,transcription."
        )
    return found[0]


def read_entries(name: str, content: bytes) -> list[Entry]:
    """The lines of the manifest called ``name``.

    Raises:
        ManifestError: it is no table of that kind, or lacks the two columns.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ManifestError(f"{name} is no text in UTF-8; save it as such.") from None
    rows = (
        _json_rows(name, text) if name.lower().endswith((".jsonl", ".json")) else _rows(name, text)
    )
    return [_entry(name, number, row) for number, row in enumerate(rows, 1)]


def _json_rows(name: str, text: str) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise ManifestError(f"Line {number} of {name} is no JSON object.")
            rows.append(row)
    return rows


def _rows(name: str, text: str) -> list[dict[str, Any]]:
    delimiter = "\t" if name.lower().endswith(".tsv") else _delimiter(text)
    try:
        return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as error:
        raise ManifestError(f"{name} is no table ({error}).") from None


def _delimiter(text: str) -> str:
    first = text.split("\n", 1)[0]
    return max(",;\t", key=first.count)


def _entry(name: str, number: int, row: dict[str, Any]) -> Entry:
    plain = {str(key).strip().lower(): value for key, value in row.items() if key is not None}
    path = next((plain[key] for key in _PATH if plain.get(key)), None)
    said_key = next((key for key in _SAID if key in plain), None)
    if path is None or said_key is None:
        raise ManifestError(
            f"Entry {number} of {name} needs a file ({', '.join(_PATH[:3])} …) and its words "
            f"({', '.join(_SAID[:3])} …)."
        )
    language_key = next((key for key in _LANGUAGE if plain.get(key)), None)
    used = {*_PATH, *_SAID, *_LANGUAGE, *_NO_TAGS}
    tags = {
        key: str(value).strip()
        for key, value in plain.items()
        if key not in used and isinstance(value, str | int | bool) and str(value).strip()
    }
    language = str(plain[language_key]) if language_key else None
    return Entry(str(path), str(plain[said_key] or "").strip(), _code(language), tags)


def _code(language: str | None) -> str | None:
    """``en`` of ``en-GB``, ``en_us`` and ``English``."""
    if language is None:
        return None
    code = language.replace("_", "-").split("-")[0].lower()
    names = {name.lower(): key for key, name in LANGUAGES.items()}
    return code if code in LANGUAGES else names.get(language.lower(), code)


def read_cases(
    entries: Iterable[Entry], open_file: Callable[[str], BinaryIO], language: str = "en"
) -> Iterator[NewCase | AsrError]:
    """A case of each entry, or what is wrong with it; the others go on.

    Args:
        open_file: of a path as the manifest writes it; raises AsrError.
        language: where the manifest tells none.
    """
    for entry in entries:
        try:
            with open_file(entry.path) as file:
                samples = decode(file, name=entry.path)
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
