"""The command line as its users run it; inside this process, for speed."""

from __future__ import annotations

import io
import itertools
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.encode import to_flac
from asr_core.cli import main
from asr_core.engines.base import Engine
from tests.texts import BECKETT, word_error_rate

HEEDS_CTRL_C = """
import signal, sys
from asr_core.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""
"""The command line as from a terminal: who runs in the background of a shell, such as these
tests may, is started with Ctrl-C ignored."""


@pytest.fixture
def talk(speech_files: Path, tmp_path: Path) -> Path:
    path = tmp_path / "a talk, recorded 🎤.wav"
    shutil.copy(speech_files / "beckett.wav", path)
    return path


def test_transcribe_prints_the_text(
    talk: Path, tiny_engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(talk), "--model", "tiny.en"]) == 0
    printed = capsys.readouterr()
    assert word_error_rate(BECKETT, printed.out) < 0.2
    assert printed.err == ""


def test_one_bad_file_fails_alone_and_sets_the_exit_code(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("text")
    out = tmp_path / "out" / "deep"
    arguments = [
        "transcribe",
        str(bad),
        str(talk),
        str(tmp_path / "none.mp3"),
        "--model",
        "tiny.en",
    ]
    assert main([*arguments, "--format", "srt", "--output-dir", str(out)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "bad.wav holds no sound" in printed.err
    assert "none.mp3 does not exist" in printed.err
    assert "Traceback" not in printed.err
    assert [path.name for path in out.iterdir()] == [f"{talk.stem}.srt"]
    assert "-->" in (out / f"{talk.stem}.srt").read_text()


def test_a_file_without_speech_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    silence = tmp_path / "silence.flac"
    silence.write_bytes(to_flac(np.zeros(3 * SAMPLE_RATE_HZ, np.int16)))
    assert main(["transcribe", str(silence), "--model", "tiny.en"]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == ""
    assert err.strip() == "No speech was heard in silence.flac."


def test_a_folder_is_done_once_and_what_is_there_is_skipped(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(talk, folder / "deep" / "a.wav")
    (folder / "notes.txt").write_text("no sound")
    command = ["transcribe", str(folder), "--model", "tiny.en", "--output-dir", str(out)]
    assert main(command) == 0
    assert [path.relative_to(out) for path in out.rglob("*.txt")] == [Path("deep/a.txt")]
    capsys.readouterr()
    (out / "deep" / "a.txt").write_text("corrected by hand")
    assert main(command) == 0
    assert "Skipped" in capsys.readouterr().err
    assert (out / "deep" / "a.txt").read_text() == "corrected by hand"
    assert main([*command, "--overwrite"]) == 0
    assert (out / "deep" / "a.txt").read_text() != "corrected by hand"


def test_standard_input_and_times_of_words(
    talk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with talk.open("rb") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(file))
        command = ["transcribe", "-", "--model", "tiny.en", "--format", "tsv"]
        assert main([*command, "--word-timestamps"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()[1:]]
    assert len(rows) > 10
    assert all(len(text.split()) == 1 for _, _, text in rows)


def test_ctrl_c_prints_what_was_heard_until_then(
    tiny_en: Path, two_cities: np.ndarray, tmp_path: Path
) -> None:
    long = tmp_path / "long.flac"
    long.write_bytes(to_flac((np.tile(two_cities, 40) * 32767).astype(np.int16)))
    command = [sys.executable, "-c", HEEDS_CTRL_C, "transcribe", str(long), "--model", "tiny.en"]
    terminal, its_end = pty.openpty()  # where progress is shown at once
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=its_end) as process:
        os.close(its_end)
        shown = b""
        while b"%" not in shown:
            shown += os.read(terminal, 1000)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    shown += os.read(terminal, 10_000)
    os.close(terminal)
    assert process.returncode == 130
    assert "best of times" in out.decode().lower()
    assert b"is printed" in shown
    assert b"Stopped." in shown
    assert b"Traceback" not in shown


def test_an_empty_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", str(tmp_path), "--model", "tiny.en"]) == 1
    assert "Nothing to transcribe" in capsys.readouterr().err


def test_two_inputs_of_one_stem_do_not_overwrite_each_other(talk: Path, tmp_path: Path) -> None:
    twin = talk.with_suffix(".wave")
    shutil.copy(talk, twin)
    out = tmp_path / "out"
    assert (
        main(["transcribe", str(talk), str(twin), "--model", "tiny.en", "--output-dir", str(out)])
        == 0
    )
    assert len(list(out.iterdir())) == 2


@pytest.mark.parametrize("engine", ["onnx", "ctranslate2", "transformers"])
def test_stream_prints_json_lines(
    speech_files: Path, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "stream",
        str(speech_files / "beckett.wav"),
        "--speed",
        "max",
        "--model",
        "tiny.en",
    ]
    assert main([*arguments, "--engine", engine]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["kind"] for event in events].count("end") == 1
    assert events[-1]["kind"] == "end"
    assert {"partial", "final"} <= {event["kind"] for event in events}
    keys = {"kind", "audio_time", "wall_time", "committed", "tentative", "words", "lag"}
    assert all(set(event) == keys for event in events)
    words = [word for event in events for word in event["words"]]
    assert all(set(word) == {"text", "start", "end", "probability"} for word in words)
    assert "".join(word["text"] for word in words).split() == events[-1]["committed"].split()
    assert word_error_rate(BECKETT, events[-1]["committed"]) < 0.2
    committed = [event["committed"] for event in events]
    assert all(after.startswith(before) for before, after in itertools.pairwise(committed))


def test_stream_in_real_time_takes_its_time(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["stream", str(talk), "--speed", "4", "--model", "tiny.en", "--language", "en"]) == 0
    )
    end = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert end["wall_time"] >= end["audio_time"] / 4 - 0.1
    assert "better" in end["committed"].lower()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["transcribe"],
        ["transcribe", "x.wav", "--language", "klingon"],
        ["transcribe", "x.wav", "--format", "pdf"],
        ["stream", "x.wav", "--speed", "-1"],
        ["stream", "x.wav", "--speed", "fast"],
        ["models"],
        ["models", "fetch"],
    ],
)
def test_wrong_usage_exits_with_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["transcribe", "x.wav", "--model", "bas"], "did you mean base?"),
        (["transcribe", "x.wav", "--model", "tiny.en", "--language", "de"], "does not know German"),
        (["models", "path", "no such model"], "no model called"),
        (["stream", "nothing.wav", "--model", "tiny.en"], "does not exist"),
    ],
)
def test_what_cannot_be_done_gets_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.strip().splitlines()) == 1


def test_models_are_listed_fetched_and_found(
    tiny_en: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "list"]) == 0
    listing = capsys.readouterr().out
    assert "large-v3-turbo" in listing
    assert any("tiny.en" in line and "here" in line for line in listing.splitlines())
    for action in ("fetch", "path"):
        assert main(["models", action, "tiny.en"]) == 0
        assert capsys.readouterr().out.strip() == str(tiny_en)


@pytest.mark.parametrize(
    "command", [[], ["transcribe"], ["stream"], ["models"], ["models", "fetch"]]
)
def test_help_is_everywhere(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--help"])
    assert exit_.value.code == 0
    assert len(capsys.readouterr().out) > 200
