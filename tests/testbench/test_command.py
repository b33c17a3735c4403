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
