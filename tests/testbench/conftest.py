"""Cases of real speech, and stores of both kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from asr_core.audio.encode import to_int16
from asr_core.roles import Actor, Role
from asr_core.testbench.cases import NewCase
from asr_core.testbench.store import Store
from tests.texts import BECKETT

Samples = NDArray[np.float32]

MakeStore = Callable[..., Store]

REVIEWER = Actor("", Role.REVIEWER)  # who everybody is without [roles]


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


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    opened = Store(database_url, tmp_path / "audio")
    yield opened.acting(REVIEWER)
    opened.close()
