"""``evaluate`` as its users run it; inside this process, for speed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from asr_core.audio.encode import to_flac
from asr_core.cli import main
from asr_core.testbench.cases import NewCase


@pytest.fixture
def folder(tmp_path: Path, failures: list[NewCase]) -> Path:
    rows = []
    for new in failures:
        (tmp_path / f"{new.name}.flac").write_bytes(to_flac(new.samples))
        row = {"file_name": f"{new.name}.flac", "transcription": new.said, **new.tags}
        rows.append(json.dumps(row))
    (tmp_path / "metadata.jsonl").write_text("\n".join(rows))
    return tmp_path


def test_a_set_is_scored_and_reported(
    folder: Path, tiny_en: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", str(folder), "--model", "tiny.en", "--condition", "clean"]
    arguments += ["--condition", "pitch:-3", "--mode", "both"]
    outputs = {name: folder / f"out.{name}" for name in ("csv", "json", "html")}
    arguments += ["--csv", str(outputs["csv"]), "--json", str(outputs["json"])]
    assert main([*arguments, "--report", str(outputs["html"])]) == 0
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 5
    assert table[1].startswith("clean\ttiny.en\t")
    with outputs["csv"].open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert len(json.loads(outputs["json"].read_text())["trials"]) == 12
    assert "<svg" in outputs["html"].read_text()

    capsys.readouterr()
    assert main(arguments[:-6]) == 0
    assert main([*arguments[:-6], "--seed", "1"]) == 0
    first, second = capsys.readouterr().out.split("condition\t")[1:]
    assert first == second


def test_a_limit_that_is_passed_sets_the_exit_code(
    folder: Path, tiny_en: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", str(folder / "metadata.jsonl"), "--model", "tiny.en"]
    assert main([*arguments, "--fail-above", "100"]) == 0
    assert main([*arguments, "--condition", "white:-20", "--fail-above", "5"]) == 1
    assert "is above 5 %" in capsys.readouterr().err


def test_a_recording_that_is_missing_is_said_and_the_rest_is_scored(
    folder: Path, tiny_en: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "end.flac").unlink()
    assert main(["evaluate", str(folder), "--model", "tiny.en"]) == 1
    printed = capsys.readouterr()
    assert "end.flac cannot be read" in printed.err
    assert printed.out.splitlines()[1].endswith("\t2")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--condition", "hum:3"], "is no condition"),
        (["--condition", "white"], "is written white:20"),
    ],
)
def test_wrong_usage_is_one_sentence(
    arguments: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(folder), *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert main(["evaluate", str(folder / "none.csv")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_lines_that_are_made_to_do_harm_are_said_and_the_rest_is_scored(
    folder: Path, tiny_en: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = folder / "metadata.jsonl"
    bad = [
        '{"file_name": "a\\u0000.flac", "text": "x"}',
        '{"file_name": "\\ud800.flac", "text": "x"}',
        '{"file_name": 7, "text": "x"}',
        '{"file_name": "a", "text": "x", "t": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ]
    odd = '{"file_name": "end.flac", "text": "\\ud800 \\u0000", "tag": "\\u202e"}'
    manifest.write_text("\n".join([manifest.read_text().splitlines()[0], *bad, odd]))
    outputs = {name: folder / f"out.{name}" for name in ("csv", "json", "html")}
    arguments = ["evaluate", str(folder), "--model", "tiny.en", "--report", str(outputs["html"])]
    arguments += ["--csv", str(outputs["csv"]), "--json", str(outputs["json"])]
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines()[1].endswith("\t2")
    assert len(printed.err.splitlines()) == len(bad) + 1
    assert "Traceback" not in printed.err
    for path in outputs.values():
        path.read_text(encoding="utf-8")
    assert [t["said"] for t in json.loads(outputs["json"].read_text())["trials"]][
        1
    ] == "\ufffd \ufffd"
