"""``evaluate`` as users run it, inside this process for speed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from asr_core.audio.encode import to_flac
from asr_core.cli.main import main
from asr_core.evaluation import experiment as trials
from asr_core.evaluation.cases import NewCase
from asr_core.evaluation.trial import Trial


@pytest.fixture
def folder(tmp_path: Path, failures: list[NewCase]) -> Path:
    rows = []
    for new in failures:
        (tmp_path / f"{new.name}.flac").write_bytes(to_flac(new.samples))
        row = {"file_name": f"{new.name}.flac", "transcription": new.reference, **new.tags}
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


def test_an_exceeded_limit_sets_the_exit_code(
    folder: Path, tiny_en: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", str(folder / "metadata.jsonl"), "--model", "tiny.en"]
    assert main([*arguments, "--fail-above", "100"]) == 0
    assert main([*arguments, "--condition", "white:-20", "--fail-above", "5"]) == 1
    assert "is above 5 %" in capsys.readouterr().err


def test_a_missing_recording_is_reported_and_the_rest_is_scored(
    folder: Path, tiny_en: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "end.flac").unlink()
    assert main(["evaluate", str(folder), "--model", "tiny.en"]) == 1
    printed = capsys.readouterr()
    assert "1 of 3 rows is left out: line 3 (end.flac is not there)." in printed.err
    assert "Scored without 1 of 3 rows" in printed.err
    assert printed.out.splitlines()[1].endswith("\t2")


def test_a_row_with_a_field_too_many_changes_no_score(
    folder: Path, tiny_en: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "file_name,transcription\nend.flac,Fail better.\nstart.flac,Ever tried, ever failed\n"
    (folder / "m.csv").write_text(rows)
    report = folder / "out.json"
    arguments = ["evaluate", str(folder / "m.csv"), "--model", "tiny.en", "--json", str(report)]
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert "line 3 (it has too many fields: 3, but the header has 2)" in printed.err
    assert printed.out.splitlines()[1].endswith("\t1")
    assert json.loads(report.read_text())["left_out"] == [
        "line 3: it has too many fields: 3, but the header has 2"
    ]


def test_ranges_of_one_file_are_scored_in_the_order_of_their_rows(
    folder: Path, failures: list[NewCase], tiny_en: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = failures[0].seconds
    rows = [
        {"audio_filepath": "whole.flac", "offset": 0.75 * whole, "text": "Fail better."},
        {"audio_filepath": "end.flac", "text": "Fail better."},
        {"audio_filepath": "whole.flac", "offset": 0, "duration": whole / 2,
         "text": "Ever tried. Ever failed."},
    ]  # fmt: skip
    (folder / "nemo.json").write_text("\n".join(map(json.dumps, rows)))
    report = folder / "out.json"
    arguments = ["evaluate", str(folder / "nemo.json"), "--model", "tiny.en"]
    assert main([*arguments, "--json", str(report), "--fail-above", "40"]) == 0
    trials = json.loads(report.read_text())["trials"]
    assert [trial["reference"] for trial in trials] == [row["text"] for row in rows]
    assert trials[0]["hypothesis"] == trials[1]["hypothesis"]


def test_recordings_without_words_have_a_row_and_no_rate(
    folder: Path, tiny_en: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = folder / "m.csv"
    table.write_text("file_name,transcription\nstart.flac,\nend.flac,\n")
    html = folder / "out.html"
    arguments = ["evaluate", str(table), "--model", "tiny.en", "--report", str(html)]
    assert main(arguments) == 0
    [_, row] = capsys.readouterr().out.splitlines()
    assert "\tno words: 2 recordings, " in row
    assert row.endswith("\t2")
    assert "no words: 2 recordings, " in html.read_text()
    assert main([*arguments, "--fail-above", "20"]) == 1
    assert "for which no rate can be given" in capsys.readouterr().err

    with table.open("a") as file:
        file.write("end.flac,Fail better.\n")
    assert main([*arguments, "--fail-above", "60"]) == 0
    [_, rated, wordless] = capsys.readouterr().out.splitlines()
    assert rated.endswith("\t1")
    assert "%" in rated
    assert "\tno words: 2 recordings, " in wordless


@pytest.mark.parametrize("limit", ["nan", "-1", "inf", "many"])
def test_a_limit_that_is_not_a_percentage_is_wrong_usage(
    limit: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", str(folder), "--fail-above", limit])
    assert stopped.value.code == 2
    assert "is not a percentage" in capsys.readouterr().err


# --- where it writes ---------------------------------------------------------------


@pytest.mark.parametrize("option", ["--csv", "--json", "--report"])
@pytest.mark.parametrize("place", ["none/out", ".", "metadata.jsonl"])
def test_an_unwritable_output_is_reported_before_any_transcription(
    option: str,
    place: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trials, "run_plan", None)
    table = folder / "metadata.jsonl"
    before = table.read_bytes()
    assert main(["evaluate", str(table), option, str(folder / place)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert table.read_bytes() == before


def test_two_reports_of_one_name_are_wrong_usage(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(folder / "out")
    assert main(["evaluate", str(folder), "--csv", out, "--json", out]) == 2
    assert "asked for twice" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_at_the_end_loses_no_result(
    folder: Path,
    tiny_en: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone, kept = folder / "gone" / "out.csv", folder / "out.json"
    gone.parent.mkdir()

    def run_plan(plan: trials.Plan) -> Iterator[Trial]:
        yield from original(plan)
        gone.parent.rmdir()

    original = trials.run_plan
    monkeypatch.setattr(trials, "run_plan", run_plan)
    arguments = ["evaluate", str(folder), "--model", "tiny.en"]
    assert main([*arguments, "--csv", str(gone), "--json", str(kept)]) == 1
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2
    assert "out.csv cannot be written" in printed.err
    assert len(json.loads(kept.read_text())["trials"]) == 3


def test_a_table_that_cannot_be_printed_loses_no_report(
    folder: Path,
    tiny_en: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = folder / "out.json"
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        arguments = ["evaluate", str(folder), "--model", "tiny.en", "--json", str(report)]
        assert main(arguments) == 1
    assert "Standard output cannot be written" in capsys.readouterr().err
    assert len(json.loads(report.read_text())["trials"]) == 3


def test_results_of_one_model_are_kept_if_the_next_is_missing(
    folder: Path, tiny_en: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", str(folder), "--model", "tiny.en", "--model", str(folder / "none")]
    report = folder / "out.json"
    assert main([*arguments, "--json", str(report)]) == 1
    assert capsys.readouterr().out.splitlines()[1].startswith("clean\ttiny.en\t")
    assert len(json.loads(report.read_text())["trials"]) == 3


def test_results_before_an_interruption_are_printed(
    folder: Path,
    tiny_en: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run_plan(plan: trials.Plan) -> Iterator[Trial]:
        yield next(original(plan))
        raise KeyboardInterrupt

    original = trials.run_plan
    monkeypatch.setattr(trials, "run_plan", run_plan)
    assert main(["evaluate", str(folder), "--model", "tiny.en"]) == 130
    printed = capsys.readouterr()
    assert printed.out.splitlines()[1].endswith("\t1")
    assert "Stopped after 1 of 3." in printed.err


# --- languages ---------------------------------------------------------------------


@pytest.mark.parametrize("language", ["English", "EN", "en-US", "eng"])
def test_a_language_may_be_written_in_many_ways(
    language: str, folder: Path, tiny_en: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "m.csv").write_text("file,text\nend.flac,Fail better.\n")
    arguments = ["evaluate", str(folder / "m.csv"), "--model", "tiny.en"]
    assert main([*arguments, "--language", language]) == 0


def test_an_unknown_language_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", str(folder), "--language", "Klingon"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("is not a language that Whisper knows") == 1


def test_a_model_that_does_not_know_the_language_is_one_sentence(
    folder: Path, tiny_en: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "m.csv").write_text("file,text,lang\nend.flac,x,de\nstart.flac,x,de\nwhole.flac,x,\n")
    arguments = ["evaluate", str(folder / "m.csv"), "--model", "tiny.en", "--language", "de-AT"]
    assert main(arguments) == 2
    sentence = "The model tiny.en does not know German; choose a multilingual model such as base."
    assert capsys.readouterr().err.splitlines() == [sentence]
    assert main(arguments[:-2]) == 1  # one recording is in English
    printed = capsys.readouterr()
    assert printed.err.splitlines()[:-1] == [f"end, clean: {sentence}", "3 of 3"]
    assert printed.err.splitlines()[-1] == f"2 times: {sentence}"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--condition", "hum:3"], "is not a condition"),
        (["--condition", "white"], "is written white:20"),
    ],
)
def test_wrong_usage_is_one_sentence(
    arguments: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(folder), *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert main(["evaluate", str(folder / "none.csv")]) == 2
    assert "none.csv is not there" in capsys.readouterr().err


def test_hostile_lines_are_reported_and_the_rest_is_scored(
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
    [_, rated, wordless] = printed.out.splitlines()
    assert (rated[-2:], wordless[-2:]) == ("\t1", "\t1")
    assert all(f"line {i} (" in printed.err for i in (2, 3, 4, 5))
    assert len(printed.err.splitlines()) == 3
    assert "Traceback" not in printed.err
    for path in outputs.values():
        path.read_text(encoding="utf-8")
    assert [t["reference"] for t in json.loads(outputs["json"].read_text())["trials"]][
        1
    ] == "\ufffd \ufffd"
