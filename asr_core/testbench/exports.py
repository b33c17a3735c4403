"""Test sets out: a ZIP that audiofolder, NeMo and Kaldi read, and our import."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

from asr_core.testbench.cases import Case

__all__ = ["write_set"]


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
