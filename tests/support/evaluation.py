"""Cases of real speech, and stores on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from asr_core.audio.pcm import to_int16
from asr_core.evaluation.cases import NewCase
from asr_core.evaluation.roles import Actor, Role
from asr_core.evaluation.store import Store
from tests.support.texts import BECKETT

Samples = NDArray[np.float32]

MakeStore = Callable[..., Store]

REVIEWER = Actor("", Role.REVIEWER)  # everybody's role without [roles]


@pytest.fixture(scope="session")
def failures(beckett: Samples) -> list[NewCase]:
    """Return three short cases of one speaker, tagged with two accents."""
    quarter = len(beckett) // 4
    return [
        NewCase("whole", BECKETT, to_int16(beckett), "en", {"accent": "Irish", "speaker": "a"}),
        NewCase("start", "Ever tried. Ever failed.", to_int16(beckett[: 2 * quarter]), "en",
                {"accent": "Irish"}),
        NewCase("end", "Fail better.", to_int16(beckett[3 * quarter :]), "en",
                {"accent": "Scots"}),
    ]  # fmt: skip


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    opened = Store(database_url, tmp_path / "audio")
    yield opened.acting(REVIEWER)
    opened.close()
