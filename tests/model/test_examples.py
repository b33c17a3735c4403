"""The examples do what the library's documentation says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_EXAMPLES = Path(__file__).parents[2] / "examples"


def _run(example: str, *arguments: Path) -> str:
    root = _EXAMPLES.parent  # as if the package were installed
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, _EXAMPLES / example, *arguments],
        env=environment, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def recording(speech_files: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(speech_files / "beckett.wav", tmp_path))


def test_a_file_gets_subtitles(recording: Path, tiny_en: Path) -> None:
    printed = _run("transcribe_file.py", recording, tiny_en)
    assert "Ever tried." in printed
    assert recording.with_suffix(".srt").read_text(encoding="utf-8").startswith("1\n00:00:")


def test_samples_get_words_with_probabilities(recording: Path, tiny_en: Path) -> None:
    words = _run("transcribe_samples.py", recording, tiny_en).splitlines()
    assert len(words) > 10
    assert all(0 <= float(line.split()[1]) <= 1 for line in words)


def test_blocks_get_words_while_they_arrive(recording: Path, tiny_en: Path) -> None:
    lines = _run("stream_blocks.py", recording, tiny_en).splitlines()
    assert sum("…" in line for line in lines) > 5
    assert "Fail better." in lines


def test_every_example_is_tested() -> None:
    tests = Path(__file__).read_text()
    assert [path.name for path in _EXAMPLES.glob("*.py") if path.name not in tests] == []
