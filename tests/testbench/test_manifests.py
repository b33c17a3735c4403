"""Sets in and out."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import BinaryIO

import pytest

from asr_core.audio.decode import decode
from asr_core.audio.encode import to_flac
from asr_core.errors import AsrError, AudioError, ManifestError
from asr_core.testbench.cases import NewCase, parse_tags
from asr_core.testbench.manifests import find_manifest, read_cases, read_entries, write_set
from asr_core.testbench.store import Store


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.csv", "file_name,transcription,accent\na.wav,Hello you,Scots\n"),
        ("manifest.tsv", "path\tsentence\taccent\na.wav\tHello you\tScots\n"),
        ("list.csv", "path;text;accent\na.wav;Hello you;Scots\n"),
        ("m.jsonl", '{"audio_filepath": "a.wav", "text": "Hello you", "duration": 1.5, "accent": "Scots"}\n'),
        ("metadata.csv", "\ufefffile_name,text,accent\r\na.wav,Hello you,Scots\r\n"),
    ],
)  # fmt: skip
def test_the_usual_tables_are_read(name: str, content: str) -> None:
    [entry] = read_entries(name, content.encode())
    assert (entry.path, entry.said, dict(entry.tags)) == ("a.wav", "Hello you", {"accent": "Scots"})


def test_languages_are_read_however_they_are_written() -> None:
    rows = "path,text,lang\na,x,en-GB\nb,x,de_de\nc,x,French\nd,x,\n"
    assert [e.language for e in read_entries("m.csv", rows.encode())] == ["en", "de", "fr", None]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.csv", b"a,b\n1,2\n"),
        ("m.csv", b"path,text\n,hello\n"),
        ("m.jsonl", b"{broken\n"),
        ("m.jsonl", b"[1]\n"),
        ("m.csv", b"path,text\n\xff\xfe,x\n"),
    ],
)
def test_what_is_no_manifest_is_said(name: str, content: bytes) -> None:
    with pytest.raises(ManifestError):
        read_entries(name, content)


def test_the_manifest_is_found_among_the_files() -> None:
    assert find_manifest(["s/a.wav", "s/metadata.csv", "s/other.csv"]) == "s/metadata.csv"
    assert find_manifest(["a.wav", "words.tsv"]) == "words.tsv"
    with pytest.raises(ManifestError, match="No manifest"):
        find_manifest(["a.wav"])


def test_a_bad_line_leaves_the_others_alone(failures: list[NewCase]) -> None:
    sound = to_flac(failures[0].samples)

    def open_file(path: str) -> BinaryIO:
        if path == "gone.wav":
            raise AudioError("gone.wav is not there.")
        return io.BytesIO(b"text" if path == "bad.wav" else sound)

    table = b"path,text,lang\nok.wav,x,en\ngone.wav,x,en\nbad.wav,x,en\nklingon.wav,x,tlh\n"
    found = list(read_cases(read_entries("m.csv", table), open_file))
    assert [isinstance(each, AsrError) for each in found] == [False, True, True, True]


def test_tags_are_read_from_text() -> None:
    assert parse_tags("Accent = Scots, device=old phone") == {
        "accent": "Scots", "device": "old phone",
    }  # fmt: skip
    assert parse_tags(" ") == {}
    with pytest.raises(ManifestError, match="no tag"):
        parse_tags("Scots")


def test_what_went_out_comes_in_again(
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
    entries = read_entries("metadata.jsonl", (tmp_path / "set" / "metadata.jsonl").read_bytes())
    cases = list(read_cases(entries, lambda path: (tmp_path / "set" / path).open("rb")))
    assert all(isinstance(case, NewCase) for case in cases)
    assert {case.digest for case in cases} == {new.digest for new in failures}
    assert {case.said for case in cases} == {new.said for new in failures}
    assert {case.tags["accent"] for case in cases} == {"Irish", "Scots"}
    nemo = [
        json.loads(line) for line in (tmp_path / "set" / "manifest.jsonl").read_text().splitlines()
    ]
    for row in nemo:
        samples = decode(tmp_path / "set" / row["audio_filepath"])
        assert row["duration"] == pytest.approx(len(samples) / 16_000, abs=0.001)
