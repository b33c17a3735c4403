"""Damaged and hostile sets: each bad line gets a sentence, the others are imported."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import struct
import subprocess
import sys
import warnings
import wave
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from asr_core.audio.encode import to_flac
from asr_core.errors import AsrError, AudioError, ManifestError, StoreError
from asr_core.evaluation import archives
from asr_core.evaluation.archives import open_zip
from asr_core.evaluation.cases import NewCase
from asr_core.evaluation.imports import ImportReport, import_set
from asr_core.evaluation.manifests import read_entries
from asr_core.evaluation.store import Flag, Store
from asr_core.evaluation.trial import SystemConfig

Member = tuple[str, bytes | str]


def _audio(seed: int = 0, seconds: float = 0.2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        noise = np.random.default_rng(seed).integers(-999, 999, int(16_000 * seconds), np.int16)
        out.writeframes(noise.tobytes())
    return file.getvalue()


def _packed(members: Iterable[Member], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as archive:
        warnings.simplefilter("ignore")  # some contain a name twice on purpose
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def _row(**fields: Any) -> str:
    return json.dumps({"file_name": "a.wav", "text": "hello", **fields}) + "\n"


def _changed(data: bytes, name: bytes, central: int, local: int, make: Any) -> bytes:
    """Apply ``make`` to the 16 bits at these offsets in both headers of ``name``."""
    changed = bytearray(data)
    for mark, name_at, place in ((b"PK\x01\x02", 46, central), (b"PK\x03\x04", 30, local)):
        at = -1
        while (at := changed.find(mark, at + 1)) >= 0:
            if changed[at + name_at : at + name_at + len(name)] == name:
                [value] = struct.unpack_from("<H", changed, at + place)
                struct.pack_into("<H", changed, at + place, make(value) & 0xFFFF)
    return bytes(changed)


def _import(store: Store, packed: bytes) -> ImportReport:
    with open_zip(io.BytesIO(packed)) as files:
        found = import_set(store.add_case, files)
    assert all(len(problem) < 1000 for problem in found.problems)
    return found


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """SQLite only: imports do not depend on the database."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'bench.db')}"


GOOD = _row(file_name="good.wav")
SET: list[Member] = [
    ("s/metadata.jsonl", _row() + GOOD), ("s/a.wav", _audio(1)), ("s/good.wav", _audio(2)),
]  # fmt: skip


def test_a_good_set_is_stored_from_bytes_and_from_a_path(store: Store, tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(_packed(SET))
    assert _import(store, _packed(SET)) == ImportReport(2, 2, ())
    with open_zip(tmp_path / "set.zip") as files:
        assert import_set(store.add_case, files).n_stored == 2
    assert len(store.cases()) == 2


@pytest.mark.parametrize(
    ("packed", "sentence"),
    [
        (_changed(_packed(SET), b"s/a.wav", 8, 6, lambda flags: flags | 1), "encrypted"),
        (_changed(_packed(SET), b"s/a.wav", 10, 8, lambda _: 9), "method"),
        (_changed(_packed(SET), b"s/a.wav", 10, 8, lambda _: 99), "method"),
        (_changed(_packed(SET), b"s/a.wav", 16, 14, lambda crc: ~crc), "damaged"),
        (_packed(SET).replace(zlib.compress(_audio(1))[2:-4][40:60], b"?" * 20), "damaged"),
        (_packed([*SET, ("s/a.wav", _audio(3))]), "2 times"),
        (_packed([SET[0], ("s/A.WAV", _audio(1)), SET[2]]), "is not there"),
        (_packed([SET[0], ("s/a.wav", b""), SET[2]]), "no sound"),
    ],
    ids=["encrypted", "deflate64", "jpeg", "checksum", "deflate", "twice", "other case", "empty"],
)
def test_a_bad_member_does_not_affect_the_others(
    store: Store, packed: bytes, sentence: str
) -> None:
    found = _import(store, packed)
    assert found.n_stored == 1
    [problem] = found.problems
    assert sentence in problem


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_methods_with_unbounded_memory_are_refused(store: Store, method: int) -> None:
    with pytest.raises(AudioError, match="method"):
        _import(store, _packed(SET, method))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"PK", b"PK\0\0" * 25, b"PK\x05\x06" + bytes(18), b"\0" * 100_000,
        _packed(SET)[:-30], _packed(SET)[50:], _packed([]),
        # A name flagged as UTF-8 that is not.
        _packed([("ü.wav", b"x")]).replace("ü".encode(), b"\xff\xfe"),
    ],
)  # fmt: skip
def test_an_invalid_zip_is_reported(store: Store, data: bytes) -> None:
    with pytest.raises(AsrError):
        _import(store, data)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"file_name": "a.wav", "text": "x", "t": ' + "[" * 100_000 + "]" * 100_000 + "}\n",
         "not a JSON object"),
        ('{"file_name": "a.wav", "text": "x", "t": ' + "9" * 10_000 + "}\n", "not a JSON object"),
        ("{broken\n", "not a JSON object"),
        ("[1]\n", "not a JSON object"),
        ("7\n", "not a JSON object"),
        (_row(pad="x" * 2_000_000), "Line 1 of metadata.jsonl: it is longer than 1000000 characters"),
        ('"a text"\n', "not a JSON object"),
        (_row(file_name=7), "must be a text"),
        (_row(file_name={"x": 1}), "must be a text"),
        (_row(text=["a"]), "must be a text"),
        (_row(text=5), "must be a text"),
        (_row(language=["en"]), "must be a text"),
        (_row(language="tlh"), "not a language"),
        (_row(language="x" * 5000), "not a language"),
        (_row(file_name="\ud800.wav"), "is not there"),
        (_row(file_name="a\x00.wav"), "is not there"),
        (_row(file_name="../../etc/passwd"), "is not there"),
        (_row(file_name="x" * 100_000), "longer than"),
        (_row(file_name="metadata.jsonl"), "no sound"),
        (_row(text="w" * 10_001), "10001 characters"),
        (_row(**{"t" * 51: "x"}), "is too long"),
        (_row(tag="x" * 201), "is too long"),
        (_row(**{f"t{i}": "x" for i in range(21)}), "21 tags"),
        (_row(t=10**4000), "is too long"),
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_a_bad_line_is_reported_and_the_others_are_stored(
    store: Store, line: str, sentence: str
) -> None:
    members = [("metadata.jsonl", line + GOOD), ("a.wav", _audio(1)), ("good.wav", _audio(2))]
    found = _import(store, _packed(members))
    assert (found.n_stored, found.n_lines) == (1, 2)
    assert sentence in found.problems[0]
    assert [case.name for case in store.cases()] == ["good"]


def test_a_huge_field_of_a_table_is_reported_for_its_line(store: Store) -> None:
    table = f"file_name,text\na.wav,{'x' * 10_000_000}\ngood.wav,hello\n"
    members: list[Member] = [("m.csv", table), ("a.wav", _audio(1)), ("good.wav", _audio(2))]
    found = _import(store, _packed(members))
    assert found.n_stored == 1
    assert "10000000 characters" in found.problems[0]


@pytest.mark.parametrize(
    "table", ["file_name\ttext\ra.wav\thello\r", "file_name\ttext\r\na.wav\thello\r\n"]
)
def test_line_ends_of_all_systems_are_read(table: str) -> None:
    [entry] = read_entries("m.tsv", table.encode())
    assert not isinstance(entry, ManifestError)
    assert (entry.path, entry.reference) == ("a.wav", "hello")


def test_a_line_separator_inside_a_text_does_not_end_the_line(store: Store) -> None:
    line = '{"file_name": "a.wav", "text": "one\u2028two\x85three"}\n'
    assert _import(store, _packed([("m.jsonl", line), ("a.wav", _audio(1))])).n_stored == 1
    assert store.cases()[0].reference == "one\u2028two\ufffdthree"


def test_a_table_of_a_million_columns_is_refused() -> None:
    """Otherwise each short row would be as long as the header."""
    header = "file_name,text," + ",".join(f"{i}" for i in range(1_000_000))
    with pytest.raises(ManifestError, match="1000002 columns"):
        read_entries("m.csv", (header + "\n" + "a.wav,x\n" * 100_000).encode())


def test_tables_and_sets_are_bounded(store: Store) -> None:
    with pytest.raises(ManifestError, match="more than 20000 lines"):
        _import(store, _packed([("m.jsonl", _row() * 20_001), ("a.wav", _audio())]))
    with pytest.raises(ManifestError, match="larger than 20 MB"):
        _import(store, _packed([("m.jsonl", "\n" * 20_000_001), ("a.wav", _audio())]))
    with pytest.raises(ManifestError, match="Several tables"):
        _import(store, _packed([("a.csv", "x"), ("b.csv", "x")]))


def test_ranges_of_one_file_are_stored_separately(store: Store) -> None:
    rows = [
        _row(file_name="a.wav", offset=start, duration=0.1, text=f"{start}")
        for start in (0.1, 0, 0.05, 9)
    ]
    found = _import(store, _packed([("s/m.jsonl", "".join(rows)), ("s/a.wav", _audio(1))]))
    assert (found.n_stored, found.n_lines) == (3, 4)
    assert found.problems == (
        "Line 4: a.wav lasts only 0.2 s; this range begins at 9.0 s.",
    )  # fmt: skip
    assert {case.reference: round(case.seconds, 3) for case in store.cases()} == {
        "0": 0.1, "0.05": 0.1, "0.1": 0.1,
    }  # fmt: skip


def test_the_chosen_one_of_several_tables_is_reported(store: Store) -> None:
    members = [
        ("set/train/metadata.csv", "file_name,text\nonly-here.wav,x\n"),
        ("set/train/only-here.wav", _audio(1)),
        ("set/test/metadata.csv", "file_name,text\na.wav,y\nonly-here.wav,z\n"),
        ("set/test/a.wav", _audio(2)),
        ("__MACOSX/set/test/._metadata.csv", b"\0\5\x16\7"),
    ]
    found = _import(store, _packed(members))
    assert [case.reference for case in store.cases()] == ["y"]
    assert found.problems == ("Line 3: only-here.wav is not there.",)
    assert found.notes == (
        "Using set/test/metadata.csv; ignoring set/train/metadata.csv.",
    )  # fmt: skip


def test_stored_texts_are_plain(store: Store) -> None:
    line = _row(text="x\x00y\ufffe\ud800\u202ez", **{"a\nb": "c\x1b[2J"})
    assert _import(store, _packed([("m.jsonl", line), ("a.wav", _audio(1))])).n_stored == 1
    [case] = store.cases()
    assert case.reference == "x\ufffdy\ufffd\ufffdz"
    assert dict(case.tags) == {"a\nb": "c\ufffd[2J"}


def test_every_other_input_is_bounded_and_plain(store: Store, failures: list[NewCase]) -> None:
    """PostgreSQL would refuse NUL in any text."""
    case = store.add_case(failures[0])
    flag = Flag("noise", "a\x00", "\ud800", "x" * 999, "m\x00", "en", 0.0, 1.0, "\u202e")
    made = store.add_flag(flag)
    assert store.flags() == [made]
    assert (made.hypothesis, made.corrected, len(made.source), made.note) == (
        "a\ufffd",
        "\ufffd",
        200,
        "",
    )
    run = store.add_run("r\x00", [case.id], [], [SystemConfig("m", prompt="\ud800")])
    assert run.name == "r\ufffd"
    assert store.runs()[0].systems[0].prompt == "\ufffd"
    assert store.add_noise("n\x00", failures[0].samples).name == "n\ufffd"
    store.change_case(case.id, "n\x00", "\ud800", "en", {"\x1b": "\u202e."})
    changed = store.cases()[0]
    assert (changed.name, changed.reference, changed.tags) == ("n\ufffd", "\ufffd", {"\ufffd": "."})
    too_long = {
        "name": lambda: store.change_case(case.id, "x" * 201, "", "en", {}),
        "words": lambda: store.change_case(case.id, "x", "x" * 10_001, "en", {}),
        "language": lambda: store.change_case(case.id, "x", "x", "tlh", {}),
        "flag": lambda: store.add_flag(Flag("noise", "x" * 10_001, "", "", "", "en", 0, 1)),
        "reason": lambda: store.add_flag(Flag("<b>", "", "", "", "", "en", 0, 1)),
        "run": lambda: store.add_run("x" * 201, [], [], []),
        "model": lambda: store.add_run("x", [], [], [SystemConfig("x" * 301)]),
        "noise": lambda: store.add_noise("x" * 41, failures[0].samples),
        "seconds": lambda: store.add_noise("x", np.zeros(16_000 * 121, np.int16)),
        "sound": lambda: store.add_flag(
            Flag("noise", "", "", "", "", "en", 0, 1), np.zeros(16_000 * 301, np.int16)
        ),
    }
    for change in too_long.values():
        with pytest.raises((ManifestError, StoreError)):
            change()


# --- bombs -------------------------------------------------------------------------


def _central_directory_of(n_entries: int, name: bytes = b"a") -> bytes:
    """Return a ZIP that lists ``n_entries`` files and contains none."""
    entry = struct.pack("<4s4B4H3L5H2L", b"PK\x01\x02", 20, 3, 20, 0, *[0] * 4, *[0] * 3,
                        len(name), *[0] * 4, 0, 0) + name  # fmt: skip
    directory = entry * n_entries
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), 0, 0)
    return directory + end


def test_a_member_without_a_name_is_tolerated() -> None:
    with open_zip(io.BytesIO(_central_directory_of(1, b""))) as files:
        assert list(files) == [""]
        with pytest.raises(AudioError, match="damaged"):
            files[""]()


def test_a_directory_of_millions_of_files_is_refused_before_it_is_read() -> None:
    with (
        pytest.raises(ManifestError, match="more than 20000 files"),
        open_zip(io.BytesIO(_central_directory_of(200_000))),
    ):
        pass
    with (
        pytest.raises(ManifestError, match="100000 files"),
        open_zip(io.BytesIO(_central_directory_of(100_000))),
    ):
        pass


def test_members_that_are_too_large_are_not_unpacked(store: Store) -> None:
    bomb = bytes(archives.MAX_MEMBER_BYTES + 1)
    members = [("m.jsonl", _row() + GOOD), ("a.wav", bomb), ("good.wav", _audio(2))]
    found = _import(store, _packed(members))
    assert found.n_stored == 1
    assert "too large" in found.problems[0]


def test_a_false_size_is_detected(store: Store) -> None:
    """The checksum of the data unpacked up to the declared size differs."""
    members = [("m.jsonl", _row() + GOOD), ("a.wav", bytes(60_000_000)), ("good.wav", _audio(2))]
    lying = _changed(_packed(members), b"a.wav", 26, 24, lambda _: 0)
    found = _import(store, _changed(lying, b"a.wav", 24, 22, lambda _: 100))
    assert found.n_stored == 1
    assert "damaged" in found.problems[0]


def test_unpacked_bytes_are_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many lines name one large file, each with another spelling."""
    monkeypatch.setattr(archives, "_MAX_TOTAL_BYTES", 1_000_000)
    rows = "".join(_row(file_name="./" * i + "a.wav") for i in range(20)) + GOOD
    members = [("m.jsonl", rows), ("a.wav", bytes(90_000)), ("good.wav", _audio())]
    found = _import(store, _packed(members))
    assert found.n_stored == 0
    assert found.n_problems == 21
    with pytest.raises(ManifestError, match="larger"):
        _import(store, _packed([("a.wav", bytes(1_000_001))]))


_IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from asr_core.evaluation.archives import open_zip
from asr_core.evaluation.imports import import_set
from asr_core.evaluation.roles import Actor, Role
from asr_core.evaluation.store import Store
folder = Path(sys.argv[1])
store = Store(f"sqlite:///{folder}/b.db", folder / "audio").acting(Actor("", Role.REVIEWER))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open_zip(folder / "set.zip") as files:
    found = import_set(store.add_case, files)
print(found.n_stored, found.problems[0])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def _hours_of_silence(hours: float) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as out:
        stream = out.add_stream("flac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4608), np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        for i in range(int(hours * 3600 * 16_000 / 4608)):
            frame.pts = i * 4608
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


def test_hours_of_silence_take_no_memory(tmp_path: Path) -> None:
    audio = _hours_of_silence(1.5)
    assert len(audio) < 3_000_000
    (tmp_path / "set.zip").write_bytes(_packed([("m.jsonl", _row()), ("a.wav", audio)]))
    done = subprocess.run(
        [sys.executable, "-c", _IN_LITTLE_MEMORY, tmp_path], check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    sentence, megabytes = done.stdout.splitlines()
    assert "longer than 300 s" in sentence
    assert int(megabytes) < 150


def test_flac_of_a_case_survives_the_import(store: Store, failures: list[NewCase]) -> None:
    members: list[Member] = [("m.jsonl", _row()), ("a.wav", to_flac(failures[0].samples))]
    assert _import(store, _packed(members)).n_stored == 1
    assert store.cases()[0].digest == failures[0].digest
