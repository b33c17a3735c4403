"""Real models, real speech and real databases."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath, PurePosixPath

import hypothesis
import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Playwright, sync_playwright
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from asr_core.audio.decode import decode
from asr_core.budget import Budget
from asr_core.engines.base import Engine
from asr_core.engines.load import load_engine
from asr_core.models import resolve
from asr_core.stored_files import StoredFile, StoredFiles
from tests.fetch import fetch_speech, speech_dir

Samples = NDArray[np.float32]

# How long an example takes is the machine's affair.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

_IN_REAL_TIME = ("browser", "raw")
"""Folders whose tests wait for clocks, browsers and sockets more than they compute."""


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
    return load_engine(tiny_en, "onnx")


@pytest.fixture(scope="session")
def base_engine(base: Path) -> Engine:
    return load_engine(base, "onnx")


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., StoredFile]:
    """Keep bytes as a file that a user has sent."""
    files = StoredFiles(Budget({}), tmp_path_factory.mktemp("uploads"))

    def keep(data: bytes, name: str = "file") -> StoredFile:
        return files.keep(name, io.BytesIO(data), files.reserve(len(data), "somebody"))

    return keep


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """Wait until a condition holds; fails after a while."""

    def wait(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The one of this process; a second one cannot be started beside it."""
    with sync_playwright() as instance:
        yield instance


class _Scheduling(LoadScopeScheduling):
    """What waits runs in one process, one test at a time; the others beside it, file by file."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0])
        return "in real time" if _runs_in_real_time(file) else str(file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _Scheduling(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let what runs in real time go before what only computes."""
    with contextlib.suppress(AttributeError, PermissionError):  # Windows; who is not root
        os.setpriority(os.PRIO_PROCESS, 0, 0 if _runs_in_real_time(item.path) else 10)


def _runs_in_real_time(file: PurePath) -> bool:
    return file.parent.name in _IN_REAL_TIME


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything is installed, a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("FAIL_ON_SKIP") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _bin(name: str) -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found:
        pytest.skip("no PostgreSQL server: install Debian's postgresql")
    return found[-1]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server of our own."""
    initdb, control = _bin("initdb"), _bin("pg_ctl")
    folder = Path("/tmp") / f"pg-{os.getpid()}"
    folder.mkdir()
    # PostgreSQL refuses to run as root.
    prefix: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        prefix = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"

    def run(*command: object) -> None:
        subprocess.run(
            [*prefix, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/tmp"
        )

    run(initdb, "-D", data, "-U", "tester", "-A", "trust")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}"
    run(control, "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
    yield f"postgresql+psycopg://tester@127.0.0.1:{port}"
    run(control, "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bench.db'}"
    server = request.getfixturevalue("postgres")
    name = f"bench_{os.urandom(4).hex()}"
    with psycopg.connect(
        f"{server.replace('+psycopg', '')}/postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"
