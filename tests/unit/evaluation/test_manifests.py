"""Rows of tables, and the cases made of them."""

from __future__ import annotations

import io
import json
import math
import weakref
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

from asr_core.audio.encode import to_flac
from asr_core.errors import AudioError, ManifestError
from asr_core.evaluation.cases import NewCase, parse_tags
from asr_core.evaluation.manifests import EntryError, ManifestEntry, read_cases, read_entries
from asr_core.evaluation.range_reader import SequentialRangeReader
from asr_core.full_context.time_range import WHOLE_FILE, TimeRange


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
    assert (entry.path, entry.reference, dict(entry.tags)) == (
        "a.wav",
        "Hello you",
        {"accent": "Scots"},
    )


def test_languages_are_read_in_every_spelling() -> None:
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
def test_an_invalid_manifest_is_reported(name: str, content: bytes) -> None:
    with pytest.raises(ManifestError):
        read_entries(name, content)


def test_a_bad_line_does_not_affect_the_others(failures: list[NewCase]) -> None:
    audio = to_flac(failures[0].samples)

    def open_file(path: str) -> BinaryIO:
        if path == "gone.wav":
            raise AudioError("gone.wav is not there.")
        return io.BytesIO(b"text" if path == "bad.wav" else audio)

    table = b"path,text,lang\nok.wav,x,en\ngone.wav,x,en\nbad.wav,x,en\nklingon.wav,x,tlh\n"
    found = dict(read_cases(read_entries("m.csv", table), open_file))
    assert isinstance(found[0], NewCase)
    problems = [found[place] for place in (1, 2, 3)]
    assert [p.where for p in problems if isinstance(p, EntryError)] == [
        "line 3",
        "line 4",
        "line 5",
    ]
    assert str(problems[0]) == "Line 3: gone.wav is not there."


# --- stretches ---------------------------------------------------------------------


def _ramp(seconds: float) -> bytes:
    """Return a file in which each millisecond contains its own number."""
    samples = np.repeat(np.arange(round(seconds * 1000), dtype=np.int16), 16)
    return to_flac(samples)


def _nemo(*rows: dict[str, object]) -> bytes:
    return "\n".join(
        json.dumps({"audio_filepath": "long.flac", "text": "x", **row}) for row in rows
    ).encode()


def test_each_line_of_a_nemo_manifest_is_a_range_of_its_own() -> None:
    table = _nemo(
        {"offset": 20.5, "duration": 1.25}, {"offset": 0, "duration": 0.5}, {"offset": 20.25},
        {"duration": 2}, {"offset": 20.5, "duration": 1.25}, {"offset": 3, "duration": "0.1"},
    )  # fmt: skip
    n_opened = 0

    def open_file(path: str) -> BinaryIO:
        nonlocal n_opened
        n_opened += 1
        return io.BytesIO(_ramp(25.0))

    found = dict(read_cases(read_entries("m.json", table), open_file))
    cases = [found[i] for i in range(6)]
    ends = [
        (round(int(case.samples[0]), -1), round(int(case.samples[-1]), -1))
        for case in cases
        if isinstance(case, NewCase)
    ]
    assert ends == [
        (20500, 21750), (0, 500), (20250, 25000), (0, 2000), (20500, 21750), (3000, 3100),
    ]  # fmt: skip
    assert [case.seconds for case in cases if isinstance(case, NewCase)] == pytest.approx(
        [1.25, 0.5, 4.75, 2.0, 1.25, 0.1]
    )
    assert cases[0].name == "long from 20.5 s"
    assert n_opened == 1


def test_a_duration_is_not_a_range_in_other_tables() -> None:
    table = b"file_name,text,duration\na.wav,x,1\n"
    assert [e.time_range for e in read_entries("m.csv", table) if isinstance(e, ManifestEntry)] == [
        WHOLE_FILE
    ]
    table = b"file_name,text,offset,duration\na.wav,x,1.5,1\na.wav,x,,\n"
    stretches = [e.time_range for e in read_entries("m.csv", table) if isinstance(e, ManifestEntry)]
    assert stretches == [TimeRange(1.5, 2.5), WHOLE_FILE]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"offset": 3.5}, "long.flac lasts only 3.0 s; this range begins at 3.5 s"),
        ({"offset": 2, "duration": 2}, "long.flac lasts only 3.0 s; this range ends 1.0 s after that"),
        ({"offset": math.nan}, "the offset 'nan' is not a number of seconds"),
        ({"offset": -1}, "the offset '-1' is not a number of seconds"),
        ({"offset": 0, "duration": -1}, "the duration '-1' is not a number of seconds"),
        ({"offset": 1e308}, "the offset '1e+308' is not a number of seconds"),
        ({"offset": True}, "the offset 'True' is not a number of seconds"),
        ({"offset": "1,5"}, "the offset '1,5' is not a number of seconds"),
        ({"offset": [1]}, "the offset '[1]' is not a number of seconds"),
        ({"offset": 1_000_000, "duration": 1e-300}, "The range ends before it begins; choose a later end"),
    ],
)  # fmt: skip
def test_an_invalid_range_is_reported_for_its_line(row: dict[str, object], reason: str) -> None:
    table = _nemo(row, {"offset": 1, "duration": 1})
    entries = read_entries("m.json", table)
    found = dict(read_cases(entries, lambda path: io.BytesIO(_ramp(3.0))))
    bad, good = found[0], found[1]
    assert isinstance(bad, EntryError)
    assert (bad.where, bad.reason) == ("line 1", reason)
    assert isinstance(good, NewCase)


def test_an_unknown_duration_is_no_limit() -> None:
    table = _nemo({"duration": 100_000}, {"duration": 0}, {"offset": None, "duration": None})
    found = dict(read_cases(read_entries("m.json", table), lambda path: io.BytesIO(_ramp(1.0))))
    assert [case.seconds for case in found.values() if isinstance(case, NewCase)] == [1.0] * 3


def test_no_more_of_a_long_file_is_held_than_a_range() -> None:
    pieces: list[weakref.ref[NDArray[np.float32]]] = []

    class Hours:
        name = "long"

        def __iter__(self) -> Iterator[NDArray[np.float32]]:
            for _ in range(1080):
                piece = np.zeros(160_000, np.float32)
                pieces.append(weakref.ref(piece))
                yield piece

    reader = SequentialRangeReader(Hours(), 300.0)  # type: ignore[arg-type]
    for start in range(0, 3600, 20):
        assert len(reader.samples(TimeRange(start, start + 30.0))) == 480_000
        assert sum(piece() is not None for piece in pieces) <= 4
    assert len(pieces) == 362
    with pytest.raises(AudioError, match="longer than 300 s"):
        reader.samples(TimeRange(4000))
    assert len(pieces) < 435


def test_tags_are_read_from_text() -> None:
    assert parse_tags("Accent = Scots, device=old phone") == {
        "accent": "Scots", "device": "old phone",
    }  # fmt: skip
    assert parse_tags(" ") == {}
    with pytest.raises(ManifestError, match="not a tag"):
        parse_tags("Scots")
