"""Fixtures: real models, real speech and real databases."""

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
from xdist.workermanage import WorkerController

from asr_core.audio.decode import decode
from asr_core.engines.base import Engine
from asr_core.engines.loading import load_engine
from asr_core.evaluation.store import Store
from asr_core.evaluation.store.schema import Base
from asr_core.full_context.stored_files import StoredFile, StoredFiles
from asr_core.models import resolve
from asr_core.ops.budget import Budget
from tests.fetch import fetch_speech, speech_dir

pytest_plugins = ["tests.support.evaluation"]

Samples = NDArray[np.float32]

# The time for an example depends on the machine.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

_started_at = os.getpriority(os.PRIO_PROCESS, 0) if hasattr(os, "getpriority") else 0

_IN_REAL_TIME = ("browser", "raw")
"""Folders of tests that wait for clocks, browsers and sockets more than they compute."""

_N_IN_REAL_TIME = 2
"""Processes that begin with those; with more at once, two cores would keep them waiting."""

_SHARED = {
    "test_networks.py": "tests/browser/networks",  # both make networks of the same names
    "test_offline.py": "tests/browser/networks",
}

_WITH_TORCH = ("tests/model/cli", "tests/model/engines", "tests/model/models")
"""Folders of tests that one process runs, so that torch and its models are loaded once."""


@pytest.fixture(scope="session", autouse=True)
def testbench_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep tests away from the user's own test set."""
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
    """This process's Playwright; a second one cannot be started beside it."""
    with sync_playwright() as instance:
        yield instance


class _Scheduling(LoadScopeScheduling):
    """Some processes begin with the tests in real time, the others with those that compute."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0])
        if any(map(file.is_relative_to, _WITH_TORCH)):
            return "with torch"
        return _SHARED.get(file.name, str(file))

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Prefer what this process is for; without any of it left, take what there is."""
        is_wanted = self.nodes.index(node) < _N_IN_REAL_TIME
        for scope in self.workqueue:
            if _runs_in_real_time(PurePosixPath(scope)) == is_wanted:
                self.workqueue.move_to_end(scope, last=False)
                break
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # as collected: tests/browser begins, tests/unit ends
    return _Scheduling(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give real-time tests priority over those that only compute."""
    with contextlib.suppress(AttributeError, PermissionError):  # Windows; who is not root
        os.setpriority(
            os.PRIO_PROCESS, 0, _started_at if _runs_in_real_time(item.path) else _started_at + 10
        )


def _runs_in_real_time(path: PurePath) -> bool:
    return path.parent.name in _IN_REAL_TIME


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Count a skipped test as a failure if everything is installed."""
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
    """URL of a PostgreSQL server of our own."""
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

    run(initdb, "-D", data, "-U", "tester", "-A", "trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
    run(control, "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
    yield f"postgresql+psycopg://tester@127.0.0.1:{port}"
    run(control, "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder)


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store's empty database, to be copied: quicker than to migrate each."""
    path = tmp_path_factory.mktemp("migrated") / "bench.db"
    Store(f"sqlite:///{path}", path.parent / "audio").close()
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a store's database, to be emptied: quicker than to make each."""
    _execute(f"{postgres}/postgres", "CREATE DATABASE migrated")
    Store(f"{postgres}/migrated", tmp_path_factory.mktemp("migrated")).close()
    return f"{postgres}/migrated"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database of each kind; with a store's empty tables for tests that want a store."""
    is_migrated = "store" in request.fixturenames
    if request.param == "sqlite":
        if is_migrated:
            shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "bench.db")
        return f"sqlite:///{tmp_path / 'bench.db'}"
    if is_migrated:
        url: str = request.getfixturevalue("migrated_postgres")
        _execute(url, f"TRUNCATE {', '.join(Base.metadata.tables)} RESTART IDENTITY")
        return url
    server = request.getfixturevalue("postgres")
    name = f"bench_{os.urandom(4).hex()}"
    _execute(f"{server}/postgres", f"CREATE DATABASE {name}")
    return f"{server}/{name}"
