"""Real models and real speech, loaded once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from asr_core.audio.decode import decode
from asr_core.engines.base import Engine
from asr_core.engines.load import load_engine
from asr_core.models import resolve
from tests.fetch import fetch_speech, speech_dir

Samples = NDArray[np.float32]


@pytest.fixture(scope="session", autouse=True)
def testbench_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No test touches the user's own test set."""
    folder = tmp_path_factory.mktemp("testbench")
    os.environ["ASR_TESTBENCH_DIR"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def speech_files() -> Path:
    """Folder with ``two_cities.wav`` (44 s) and ``beckett.wav`` (10 s)."""
    fetch_speech()
    return speech_dir()


@pytest.fixture(scope="session")
def two_cities(speech_files: Path) -> Samples:
    return decode(speech_files / "two_cities.wav")


@pytest.fixture(scope="session")
def beckett(speech_files: Path) -> Samples:
    return decode(speech_files / "beckett.wav")


@pytest.fixture(scope="session")
def tiny_en() -> Path:
    return resolve("tiny.en")


@pytest.fixture(scope="session")
def base() -> Path:
    return resolve("base")


@pytest.fixture(scope="session")
def tiny_engine(tiny_en: Path) -> Engine:
    return load_engine(tiny_en, "ctranslate2")


@pytest.fixture(scope="session")
def base_engine(base: Path) -> Engine:
    return load_engine(base, "ctranslate2")


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """Wait until a condition holds; fails after a while."""

    def wait(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    return wait


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything is installed, a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("FAIL_ON_SKIP") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
