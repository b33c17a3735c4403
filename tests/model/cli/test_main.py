"""The command line as users run it, inside this process for speed."""

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
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.encode import to_flac
from asr_core.audio.pcm import clip_to_int16, to_int16
from asr_core.cli.main import main
from asr_core.cli.stream import EventPrinter
from asr_core.engines.base import Engine
from asr_core.full_context import FileProgress
from asr_core.streaming import LiveSession
from asr_core.transcript import Segment, Transcript, Word
from tests.support.texts import BECKETT, word_error_rate

HEEDS_CTRL_C = """
import signal, sys
from asr_core.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""
"""The command line as from a terminal: background processes of a shell, such as these tests
may be, start with Ctrl-C ignored."""


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
    [written] = (path for path in out.rglob("*") if path.is_file())
    assert written.name == f"{talk.name}.srt"
    assert "-->" in written.read_text()


def test_a_file_without_speech_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silence = tmp_path / "silence.flac"
    silence.write_bytes(to_flac(np.zeros(3 * SAMPLE_RATE_HZ, np.int16)))
    assert main(["transcribe", str(silence), "--model", "tiny.en"]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == ""
    assert err.strip().startswith("No speech was heard in ")
    assert err.strip().endswith("silence.flac.")


def test_a_folder_is_transcribed_once_and_existing_results_are_skipped(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(talk, folder / "deep" / "a.wav")
    (folder / "notes.txt").write_text("no sound")
    command = ["transcribe", str(folder), "--model", "tiny.en", "--output-dir", str(out)]
    assert main(command) == 0
    result = out / "in" / "deep" / "a.wav.txt"
    assert list(out.rglob("*.txt")) == [result]
    assert "Left out 1 file" in capsys.readouterr().err
    result.write_text("corrected by hand")
    assert main(command) == 0
    assert "Skipped" in capsys.readouterr().err
    assert result.read_text() == "corrected by hand"
    assert main([*command, "--overwrite"]) == 0
    assert result.read_text() != "corrected by hand"


def test_standard_input_is_transcribed_with_word_times(
    talk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with talk.open("rb") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(file))
        command = ["transcribe", "-", "--model", "tiny.en", "--format", "tsv"]
        assert main([*command, "--word-timestamps"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()[1:]]
    assert len(rows) > 10
    assert all(len(text.split()) == 1 for _, _, text in rows)


def test_ctrl_c_prints_the_words_so_far(
    tiny_en: Path, two_cities: np.ndarray, tmp_path: Path
) -> None:
    long = tmp_path / "long.flac"
    long.write_bytes(to_flac(clip_to_int16(np.tile(two_cities, 40))))
    command = [sys.executable, "-c", HEEDS_CTRL_C, "transcribe", str(long), "--model", "tiny.en"]
    terminal, its_end = pty.openpty()  # a terminal, on which progress is shown at once
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


def test_an_empty_folder_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", str(tmp_path), "--model", "tiny.en"]) == 1
    assert "Nothing to transcribe" in capsys.readouterr().err


SILENCE = to_flac(np.zeros(SAMPLE_RATE_HZ, np.int16))


def test_every_input_has_a_result_of_its_own(
    tiny_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mon/meeting.wav", "tue/meeting.wav", "wed/meeting.wav", "wed/meeting.mp3"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(SILENCE)
    files = sorted(str(path) for path in Path().rglob("meeting.*"))
    for i, named in enumerate((["mon", "tue", "wed"], ["*/meeting.*"], files)):
        out = Path(f"out{i}")
        assert main(["transcribe", *named, "--model", "tiny.en", "--output-dir", str(out)]) == 0
        results = sorted(str(path.relative_to(out)) for path in out.rglob("*.txt"))
        assert results == [f"{name}.txt" for name in files]


def test_a_pattern_without_matches_is_reported_and_the_rest_is_transcribed(
    talk: Path, tiny_engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(talk), "nothere*.mp3", "--model", "tiny.en"]) == 1
    out, err = capsys.readouterr()
    assert word_error_rate(BECKETT, out) < 0.2
    assert err == "No file matches 'nothere*.mp3'; check the pattern.\n"


def test_a_partial_result_file_is_never_left(
    talk: Path,
    tiny_engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    command = ["transcribe", str(talk), "--model", "tiny.en", "--output-dir", str(out)]

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fail)
        assert main(command) == 1
    printed, err = capsys.readouterr()
    assert "No space left on device" in err
    assert word_error_rate(BECKETT, printed) < 0.2
    assert not [path for path in out.rglob("*") if path.is_file()]
    assert main(command) == 0
    assert len(list(out.rglob("*.txt"))) == 1


def test_an_unwritable_output_folder_is_reported_first(
    talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in (talk, Path("/proc/self/fdinfo")):
        assert main(["transcribe", str(talk), "--output-dir", str(place)]) == 2
        assert "choose another folder" in capsys.readouterr().err


def test_the_words_so_far_are_printed_after_any_error(
    talk: Path,
    tiny_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def break_down(source: object, engine: object, options: object, **rest: Any) -> None:
        transcript = Transcript(
            (Segment.from_words((Word(" Words.", 0.0, 1.0, 1.0),)),), 1.0, "en", 1.0
        )
        rest["on_progress"](FileProgress(1.0, 2.0, transcript, 1))
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr("asr_core.full_context.transcribe", break_down)
    with pytest.raises(RuntimeError):
        main(["transcribe", str(talk), "--model", "tiny.en"])
    assert "Words." in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-16"])
def test_output_is_utf_8_whatever_the_terminals_encoding(
    encoding: str, tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(out, encoding, write_through=True))
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(err, encoding, write_through=True))
    assert main(["models", "list"]) == 0
    assert "·" in out.getvalue().decode()
    name = os.fsdecode(b"Gr\xc3\xbc\xc3\x9fe \xe8\xaa\x9e \xff.wav")
    assert main(["transcribe", name, "--model", "tiny.en"]) == 1
    assert "Grüße 語 \ufffd.wav does not exist" in err.getvalue().decode()


def test_events_are_utf_8_whatever_the_terminals_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(out, "ascii"))
    session = LiveSession()
    snapshot = replace(session.snapshot, tentative=(Word(" Grüße 語", 0.0, 1.0, 1.0),))
    EventPrinter().print_end(snapshot)
    assert json.loads(out.getvalue().decode())["tentative"] == "Grüße 語"


def test_a_full_disk_behind_standard_output_is_one_sentence(talk: Path, tiny_en: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "asr_core", "transcribe", str(talk), "--model", "tiny.en"],
            stdout=full, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == b"Standard output cannot be written (No space left on device).\n"


@pytest.mark.parametrize(
    ("name", "files", "sentence"),
    [
        ("stdin", ["-"], "Standard input is closed; give a file.\n"),
        ("stdout", [], "Standard output is closed.\n"),
    ],
)
def test_a_closed_input_or_output_is_one_sentence(
    name: str,
    files: list[str],
    sentence: str,
    talk: Path,
    tiny_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As services and schedulers start programs."""
    monkeypatch.setattr(sys, name, None)
    assert main(["transcribe", "--model", "tiny.en", str(talk), *files]) == 1
    assert capsys.readouterr().err == sentence


def test_messages_never_go_to_standard_output_if_standard_error_is_closed(
    talk: Path,
    tiny_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    assert main(["transcribe", "--model", "tiny.en", str(talk), "nobody*.wav"]) == 1
    printed = capsys.readouterr().out
    assert "Ever tried" in printed
    assert "nobody" not in printed


def test_a_language_may_be_a_name(talk: Path, tiny_engine: Engine) -> None:
    assert main(["transcribe", str(talk), "--model", "tiny.en", "--language", "English"]) == 0


@pytest.mark.parametrize("engine", ["onnx", "ctranslate2", "transformers"])
def test_stream_prints_json_lines(
    beckett: np.ndarray, tmp_path: Path, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    start = tmp_path / "start.flac"  # torch takes its time for more
    start.write_bytes(to_flac(to_int16(beckett[: 6 * 16_000])))
    arguments = ["stream", str(start), "--speed", "max", "--model", "tiny.en"]
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
    reference = " ".join(BECKETT.split()[:6])
    assert word_error_rate(reference, events[-1]["committed"]) <= 0.34
    committed = [event["committed"] for event in events]
    assert all(after.startswith(before) for before, after in itertools.pairwise(committed))


def test_stream_refines_at_the_end(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--speed", "max", "--model", "tiny.en", "--refine"]
    assert main(["stream", str(talk), *arguments]) == 0
    *_, end, refined = map(json.loads, capsys.readouterr().out.splitlines())
    assert (end["kind"], refined["kind"]) == ("end", "refined")
    assert main(["transcribe", str(talk), "--model", "tiny.en"]) == 0
    assert refined["committed"].split() == capsys.readouterr().out.split()
    assert refined["words"][-1]["end"] <= refined["audio_time"] == end["audio_time"]


def test_stream_in_real_time_takes_as_long_as_the_audio(
    talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
        ["stream", "x.wav", "--language", "klingon"],
        ["transcribe", "x.wav", "--format", "pdf"],
        ["stream", "x.wav", "--speed", "-1"],
        ["stream", "x.wav", "--speed", "fast"],
        ["stream", "x.wav", "--terms", ",".join(map(str, range(301)))],
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
    assert "Usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["transcribe", "x.wav", "--model", "bas"], "did you mean base?"),
        (["transcribe", "x.wav", "--model", "tiny.en", "--language", "de"], "does not know German"),
        (["stream", "x.wav", "--model", "tiny.en", "--language", "Deutsch"], "not know German"),
        (["transcribe", "x.wav", "--model", "tiny.en", "--task", "translate"], "English only"),
        (["transcribe", "x.wav", "--model", "tiny.en", "--mixed-languages"], "English only"),
        (
            ["transcribe", "x.wav", "--model", "large-v3-turbo", "--task", "translate"],
            "large-v3-turbo was not trained to translate",
        ),
        (["models", "path", "no such model"], "no model called"),
        (["stream", "nothing.wav", "--model", "tiny.en"], "does not exist"),
    ],
)
def test_an_impossible_request_gets_one_sentence(
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
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--help"])
    assert exit_.value.code == 0
    assert len(capsys.readouterr().out) > 200
