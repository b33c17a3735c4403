"""The app served for raw clients, and an event loop beside that of the browser tests."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.raw.cuts import Where
from tests.raw.serving import Server, serving
from tests.support import loops

T = TypeVar("T")


@pytest.fixture(scope="session")
def run() -> Callable[[Coroutine[Any, Any, T]], T]:
    """Run a coroutine to its end."""
    return loops.run


@pytest.fixture(scope="module")
def server(
    base: Path, tiny_en: Path, speech_files: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The app as a process of its own, with one place to speak."""
    environment = {"ASR_MAX_SPEAKERS": "1"}
    with serving(tmp_path_factory.mktemp("app"), environment) as running:
        yield running


@pytest.fixture
def where(server: Server) -> Where:
    return Where(server.address)
