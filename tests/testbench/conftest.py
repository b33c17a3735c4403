"""Cases of real speech, and stores of both kinds."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from asr_core.audio.encode import to_int16
from asr_core.testbench.cases import NewCase
from asr_core.testbench.store import Store
from tests.texts import BECKETT

Samples = NDArray[np.float32]

MakeStore = Callable[..., Store]


@pytest.fixture(scope="session")
def failures(beckett: Samples) -> list[NewCase]:
    """Three short cases of one speaker, with two accents by name."""
    quarter = len(beckett) // 4
    return [
        NewCase("whole", BECKETT, to_int16(beckett), "en", {"accent": "Irish", "speaker": "a"}),
        NewCase("start", "Ever tried. Ever failed.", to_int16(beckett[: 2 * quarter]), "en",
                {"accent": "Irish"}),
        NewCase("end", "Fail better.", to_int16(beckett[3 * quarter :]), "en",
                {"accent": "Scots"}),
    ]  # fmt: skip


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


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    opened = Store(database_url, tmp_path / "audio")
    yield opened
    opened.close()
