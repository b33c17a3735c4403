"""Usual layouts of sets, in a folder and in a ZIP."""

from __future__ import annotations

import io
import os
import unicodedata
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from asr_core.audio.encode import to_flac
from asr_core.cli.evaluate import _read_set
from asr_core.errors import ManifestError
from asr_core.evaluation.archives import open_zip
from asr_core.evaluation.cases import NewCase
from asr_core.evaluation.layouts import find_listing, read_listing
from asr_core.evaluation.manifests import read_cases
from asr_core.evaluation.set_files import DiskFiles, Files, file_opener

Members = Mapping[str, "str | int"]
"""Texts by path; a number is an audio file of so many milliseconds."""

Found = dict[str, "tuple[str, int]"]
"""The text of each case and its length in milliseconds, by name."""


def _content(value: str | int) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return to_flac(np.arange(value * 16, dtype=np.int16))


def _read(files: Files, name: str | None = None, top: str = "") -> tuple[Found, list[str]]:
    note = ""
    if name is None:
        name, note = find_listing(files)
    listing = read_listing(files, name)
    cases: Found = {}
    problems = [note] if note else []
    for _, found in sorted(read_cases(listing.entries, file_opener(files, listing.folder, top))):
        if isinstance(found, NewCase):
            cases[found.name] = (found.reference, round(1000 * found.seconds))
        else:
            problems.append(str(found))
    return cases, problems


@pytest.fixture(params=["folder", "zip"])
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., tuple[Found, list[str]]]:
    """Read the members as files on disk, or packed."""

    def of_folder(members: Members, name: str | None = None) -> tuple[Found, list[str]]:
        for path, value in members.items():
            place = tmp_path / "set" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(_content(value))
        return _read(DiskFiles(tmp_path / "set"), name)

    def of_zip(members: Members, name: str | None = None) -> tuple[Found, list[str]]:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path, value in members.items():
                archive.writestr(path, _content(value))
        with open_zip(packed) as files:
            return _read(files, name)

    return of_folder if request.param == "folder" else of_zip


def test_common_voice(read: Callable[..., tuple[Found, list[str]]]) -> None:
    header = "client_id\tpath\tsentence_id\tsentence\tup_votes\tlocale\n"
    rows = 'x\tcv_en_1.mp3\t7\t"Drop it.\t2\ten\nx\tcv_en_2.mp3\t8\tUp.\t2\ten\nx\tcv_en_3.mp3\t9\tNo.\t2\ten\n'
    found = read(
        {
            "cv-corpus-17.0/en/validated.tsv": header + rows,
            "cv-corpus-17.0/en/test.tsv": header + rows,
            "cv-corpus-17.0/en/train.tsv": header,
            "cv-corpus-17.0/en/reported.tsv": "sentence\tsentence_id\n",
            "cv-corpus-17.0/en/clips/cv_en_1.mp3": 100,
            "cv-corpus-17.0/en/clips/cv_en_2.mp3": 200,
        }
    )
    assert found == (
        {"cv_en_1": ('"Drop it.', 100), "cv_en_2": ("Up.", 200)},
        [
            "Using cv-corpus-17.0/en/test.tsv; ignoring cv-corpus-17.0/en/reported.tsv and 2 more.",
            "Line 4: cv_en_3.mp3 is not there.",
        ],
    )


def test_lj_speech(read: Callable[..., tuple[Found, list[str]]]) -> None:
    table = (
        'LJ001-0001|"Printing, in 1455|"Printing, in fourteen fifty-five\n'
        "LJ001-0002|Dr. Who|Doctor Who\nLJ001-0003|No more\n"
    )
    wavs = {f"wavs/LJ001-000{i}.wav": 100 * i for i in (1, 2)}
    assert read({"metadata.csv": table, "README": "x", **wavs}) == (
        {
            "LJ001-0001": ('"Printing, in fourteen fifty-five', 100),
            "LJ001-0002": ("Doctor Who", 200),
        },
        ["Line 3 of metadata.csv: it has 2 fields, but the first line has 3."],
    )


def test_an_lj_speech_table_with_a_speaker_is_not_guessed(
    read: Callable[..., tuple[Found, list[str]]],
) -> None:
    with pytest.raises(ManifestError, match=r"third can't be what is said"):
        read({"metadata.csv": "a|It is so cold today|7\nb|Is it|8\n", "wavs/a.wav": 9})
    with pytest.raises(ManifestError, match=r"third can't be what is said"):
        read({"metadata.csv": "a|Yes|anna\nb|No|bert\n", "wavs/a.wav": 9})
    rows = "wavs/a.wav|7|It is so cold today\n"
    assert read({"metadata.csv": rows, "wavs/a.wav": 9}) == ({"a": ("It is so cold today", 9)}, [])


def test_librispeech(read: Callable[..., tuple[Found, list[str]]]) -> None:
    members = {
        "LibriSpeech/test-clean/84/121/84-121.trans.txt": "84-121-0000 GO ON\n84-121-0001 NO\n",
        "LibriSpeech/test-clean/84/122/84-122.trans.txt": "84-122-0000 YES\n",
        "LibriSpeech/dev-clean/9/1/9-1.trans.txt": "9-1-0000 LEFT ASIDE\n",
        "LibriSpeech/test-clean/84/121/84-121-0000.flac": 100,
        "LibriSpeech/test-clean/84/122/84-122-0000.flac": 200,
        "LibriSpeech/SPEAKERS.TXT": "84 | F",
    }
    found, problems = read(members)
    assert found == {"84-121-0000": ("GO ON", 100), "84-122-0000": ("YES", 200)}
    assert sorted(problems) == [
        "Line 2 of 84-121.trans.txt: LibriSpeech/test-clean/84/121/84-121-0001 is not there.",
        "Using LibriSpeech/test-clean/; ignoring LibriSpeech/dev-clean/.",
    ]
    assert read(members, "LibriSpeech/test-clean/84/122/84-122.trans.txt") == (
        {"84-122-0000": ("YES", 200)}, [],
    )  # fmt: skip


def test_kaldi(read: Callable[..., tuple[Found, list[str]]], tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    members = {
        "s5/data/test/wav.scp": "r1 flac -c -d -s wav/one.flac |\nr2 wav/two.wav\n"
                                f"r3 touch {trap} |\nr4 flac -c -d -s $(touch\u00a0{trap}) |\n",
        "s5/data/test/text": "u1 hello there\nu2\nu3 x\nu4 x\nu5 x\nu6 x\nu1 again\nu7 x\n",
        "s5/data/test/segments": "u1 r1 0.1 0.3\nu2 r1 0.2 -1\nu3 r3 0 1\nu4 r9 0 1\nu5 r2 2 1\n"
                                 "u7 r4 0 1\n",
        "s5/data/test/utt2spk": "u1 anna\n",
        "s5/wav/one.flac": 500,
        "s5/wav/two.wav": 100,
    }  # fmt: skip
    found, problems = read(members)
    assert found == {"u1": ("hello there", 200), "u2": ("", 300)}
    assert problems[:-1] == [
        "Line 3 of text: wav.scp has a command for r3, and commands are not run; write the path "
        "of a sound file.",
        "Line 4 of text: r9 is not in wav.scp.",
        "Line 5 of text: segments has no valid times for u5: r2 2 1.",
        "Line 6 of text: u6 is not in segments.",
        "Line 7 of text: u1 is there twice.",
    ]
    assert "Line 8 of text" in problems[-1]
    assert not trap.exists()


def test_fleurs(read: Callable[..., tuple[Found, list[str]]]) -> None:
    row = '1\t10.wav\tA "B.\ta b\ta | b\t1600\tFEMALE\n'
    members = {"en_us/test.tsv": row, "en_us/audio/test/10.wav": 100}
    assert read(members) == ({"10": ("a b", 100)}, [])


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("metadata.csv", "test/sub/1.wav"),
        ("test/metadata.csv", "sub/1.wav"),
        ("test/metadata.csv", r"sub\1.wav"),
        ("test/metadata.csv", r".\sub\1.wav"),
        ("test/metadata.csv", r"C:\Users\me\sub\1.wav"),
        ("test/metadata.csv", "/data/corpus/test/sub/1.wav"),
        ("lists/metadata.csv", "../test/sub/1.wav"),
        ("lists/metadata.csv", "test/sub/1.wav"),
    ],
)
def test_paths_are_resolved_from_every_usual_folder(
    read: Callable[..., tuple[Found, list[str]]], table: str, row: str
) -> None:
    members = {table: f"file_name,text\n{row},hello\n", "test/sub/1.wav": 100, "other/1.wav": 7}
    assert read(members) == ({"1": ("hello", 100)}, [])


def test_a_file_of_another_split_never_replaces_a_missing_one(
    read: Callable[..., tuple[Found, list[str]]],
) -> None:
    members = {
        "train/metadata.csv": "file_name,text\naudio/1.wav,hello\naudio/2.wav,you\n",
        "train/audio/2.wav": 100,
        "test/audio/1.wav": 200,
    }
    assert read(members) == ({"2": ("you", 100)}, ["Line 2: audio/1.wav is not there."])


def test_an_ambiguous_file_name_is_not_guessed(
    read: Callable[..., tuple[Found, list[str]]],
) -> None:
    members = {"m.csv": "file,text\n1.wav,hello\n2.wav,x\n", "a/1.wav": 9, "b/1.wav": 9, "2.wav": 9}
    assert read(members) == ({"2": ("x", 9)}, ["Line 2: 1.wav is not there."])


def test_a_name_without_extension_finds_its_audio_file(
    read: Callable[..., tuple[Found, list[str]]],
) -> None:
    table = "LJ1|Dr. Who|Doctor Who\nLJ2|x|x\n"
    members = {
        "metadata.csv": table, "wavs/LJ1.wav": 9, "wavs/LJ1.flac": 9, "text/LJ1.txt": "x",
        "wavs/LJ2.lab": "x",
    }  # fmt: skip
    assert read(members) == ({"LJ1": ("Doctor Who", 9)}, ["Line 2: LJ2 is not there."])


def test_decomposed_unicode_names_from_macos_are_found(
    read: Callable[..., tuple[Found, list[str]]],
) -> None:
    """As macOS stores letters and their diacritics as separate characters."""
    name = "Käse.wav"
    members = {f"a/{unicodedata.normalize('NFD', name)}": 9, "m.csv": f"file,text\n{name},x\n"}
    assert read(members) == ({"Käse": ("x", 9)}, [])


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["s/a.wav", "s/metadata.csv", "s/other.csv"], "s/metadata.csv"),
        (["a.wav", "words.tsv"], "words.tsv"),
        (["m.csv", "__MACOSX/._m.csv", ".cache/x.csv"], "m.csv"),
        (["train/metadata.jsonl", "test/metadata.jsonl", "validation/metadata.jsonl"],
         "test/metadata.jsonl"),
        (["test/train/metadata.csv", "test/test/metadata.csv"], "test/test/metadata.csv"),
        (["metadata.csv", "old/metadata.csv"], "metadata.csv"),
        (["train_manifest.json", "test_manifest.json", "x.json"], "test_manifest.json"),
        (["train.csv", "test.csv"], "test.csv"),
        (["DATA.JSON", "a.wav"], "DATA.JSON"),
        (["/train/metadata.csv", "test/metadata.csv"], "test/metadata.csv"),
        (["d/wav.scp", "d/text", "d/notes.csv"], "d/wav.scp"),
    ],
)  # fmt: skip
def test_the_table_is_found_among_the_files(names: list[str], taken: str) -> None:
    assert find_listing(names)[0] == taken


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["a.wav"], "No manifest"),
        (["a.csv", "b.csv"], "Several tables"),
        (["en/test.tsv", "de/test.tsv"], "Several tables"),
        (["train/metadata.csv", "dev/metadata.csv"], "Several tables"),
        (["test-clean/1/2/a.trans.txt", "test-other/1/2/b.trans.txt"], "Several tables"),
        (["wav.scp"], "No manifest"),
    ],
)
def test_an_ambiguous_table_has_to_be_named(names: list[str], sentence: str) -> None:
    with pytest.raises(ManifestError, match=sentence):
        find_listing(names)


def test_a_subfolder_is_a_split_of_the_table_above_it(tmp_path: Path) -> None:
    for split in ("test", "train"):
        (tmp_path / "set" / split).mkdir(parents=True)
        (tmp_path / "set" / split / "1.wav").write_bytes(_content(9))
    table = "file_name,text\ntrain/1.wav,x\n.\\test\\1.wav,y\ntest/2.wav,z\n"
    (tmp_path / "set" / "metadata.csv").write_text(table)
    found = _read_set(tmp_path / "set" / "test", "en")
    assert [case.reference for case, _ in found.cases] == ["y"]
    assert [str(each) for each in found.left_out] == ["Line 4: test/2.wav is not there."]


def test_a_pipe_is_not_a_recording(tmp_path: Path) -> None:
    """Opening one would block for ever."""
    os.mkfifo(tmp_path / "a.wav")
    (tmp_path / "m.csv").write_text("file,text\na.wav,x\n")
    assert _read(DiskFiles(tmp_path), "m.csv") == ({}, ["Line 2: a.wav is not there."])


def test_paths_of_a_table_may_be_relative_to_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "m.csv").write_text("file,text\nsounds/a.wav,x\n")
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "a.wav").write_bytes(_content(9))
    files = DiskFiles(tmp_path / "lists")
    assert _read(files, "m.csv", str(tmp_path)) == ({"a": ("x", 9)}, [])
