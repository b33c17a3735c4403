"""Exported sets, as other programs and we ourselves read them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from asr_core.audio.decode import decode
from asr_core.evaluation.cases import NewCase
from asr_core.evaluation.exports import write_set
from asr_core.evaluation.layouts import read_listing
from asr_core.evaluation.manifests import read_cases
from asr_core.evaluation.set_files import DiskFiles, file_opener
from asr_core.evaluation.store import Store


def test_an_exported_set_can_be_imported_again(
    store: Store, failures: list[NewCase], tmp_path: Path
) -> None:
    for new in failures:
        store.add_case(new)
    file = io.BytesIO()
    write_set(store.cases(), store.flac, file)
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path / "set")
    names = {path.name for path in (tmp_path / "set").iterdir()}
    assert names == {"audio", "metadata.jsonl", "manifest.jsonl", "wav.scp", "text", "utt2spk"}
    files = DiskFiles(tmp_path / "set")
    for table in ("metadata.jsonl", "manifest.jsonl", "wav.scp"):
        listing = read_listing(files, table)
        found = [
            each for _, each in read_cases(listing.entries, file_opener(files, listing.folder))
        ]
        cases = [case for case in found if isinstance(case, NewCase)]
        assert len(cases) == len(found)
        assert {case.digest for case in cases} == {new.digest for new in failures}
        assert {case.reference for case in cases} == {new.reference for new in failures}
        if table != "wav.scp":
            assert {case.tags["accent"] for case in cases} == {"Irish", "Scots"}
    nemo = [
        json.loads(line) for line in (tmp_path / "set" / "manifest.jsonl").read_text().splitlines()
    ]
    for row in nemo:
        samples = decode(tmp_path / "set" / row["audio_filepath"])
        assert row["duration"] == pytest.approx(len(samples) / 16_000, abs=0.001)
