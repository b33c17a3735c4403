"""Export of test sets: a ZIP that audiofolder, NeMo, Kaldi and our own import read."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

from asr_core.evaluation.cases import Case

__all__ = ["write_set"]


def write_set(cases: Iterable[Case], flac: Callable[[str], bytes], file: BinaryIO) -> None:
    """Write ``cases`` and their audio as a ZIP.

    It holds ``metadata.jsonl`` for audiofolder, ``manifest.jsonl`` for NeMo, and ``wav.scp``,
    ``text`` and ``utt2spk`` for Kaldi.

    Args:
        cases: what to export.
        flac: returns the audio of a case by its id.
        file: open for writing in binary mode.
    """
    ordered = sorted(cases, key=lambda case: case.id)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for case in ordered:
            # FLAC is compressed already.
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

    # Every row has every tag, so that each column has one type.
    tags = sorted({tag for case in cases for tag in case.tags})
    hugging_face, nemo, kaldi = [], [], []
    for case in cases:
        known = {tag: case.tags.get(tag, "") for tag in tags}
        common = {"name": case.name, "language": case.language, **known}
        hugging_face.append(
            as_json({"file_name": _path(case), "transcription": case.reference, **common})
        )
        nemo.append(
            as_json(
                {
                    "audio_filepath": _path(case),
                    "text": case.reference,
                    "duration": round(case.seconds, 3),
                    **common,
                }
            )
        )
        kaldi.append((case.id, " ".join(case.reference.split()), case.tags.get("speaker", case.id)))
    return {
        "metadata.jsonl": hugging_face,
        "manifest.jsonl": nemo,
        "wav.scp": [f"{key} flac -c -d -s audio/{key}.flac |" for key, _, _ in kaldi],
        "text": [f"{key} {reference}" for key, reference, _ in kaldi],
        "utt2spk": [f"{key} {'_'.join(speaker.split())}" for key, _, speaker in kaldi],
    }
