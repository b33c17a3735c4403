"""Models share the memory that there is for them; what nobody uses goes, and comes back."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from asr_core.budget import Allowance, Budget, Resource
from asr_core.engines import load_engine
from asr_core.engines import shared as shared_engines
from asr_core.engines.base import Window
from asr_core.engines.shared import SharedEngine, memory_bytes
from asr_core.errors import LimitError
from asr_core.limits import Limits
from asr_core.live import LiveOptions, LiveSession, scheduler_of
from asr_core.models import allowed

SILENCE = Window(np.zeros(16_000, np.float32), language="en")

CYCLES = """
import psutil, sys
from pathlib import Path
from asr_core.engines import load_engine, shared
shared._IDLE_S = 0.0
def loaded(directory):
    load_engine(Path(directory), "onnx")
    return psutil.Process().memory_info().rss / 1e6
tiny, base = sys.argv[1:]
loaded(tiny); first = loaded(base)
for _ in range(4):
    alone = loaded(tiny); last = loaded(base)
print(alone, first, last)
"""


@pytest.fixture
def room_for_one(monkeypatch: pytest.MonkeyPatch) -> Iterator[Budget]:
    """A process of its own, as it were: memory for base or tiny.en, not for both."""
    allowance = Allowance(500e6, 500e6, "This model does not fit: {what} too little memory left.")
    budget = Budget({Resource.MODELS: allowance})
    monkeypatch.setattr(shared_engines, "process_budget", lambda: budget)
    monkeypatch.setattr(shared_engines, "_shared", {})
    monkeypatch.setattr(shared_engines, "_IDLE_S", 0.0)
    monkeypatch.setattr(shared_engines, "_PATIENCE_S", 0.0)
    serving = threading.Event()
    serving.set()
    monkeypatch.setattr(allowed, "_serving", serving)
    yield budget
    for engine in shared_engines.engines():
        engine.put_away()


def loaded(directory: Path) -> SharedEngine:
    engine = load_engine(directory, "onnx")
    assert isinstance(engine, SharedEngine)
    return engine


def test_an_idle_model_goes_for_another_and_comes_back_when_called(
    room_for_one: Budget, tiny_en: Path, base: Path
) -> None:
    first = loaded(base)
    second = loaded(tiny_en)
    assert not first.is_loaded and second.is_loaded
    assert room_for_one.used(Resource.MODELS) == 270e6
    assert first.transcribe([SILENCE])[0].language == "en"
    assert first.is_loaded and not second.is_loaded
    assert room_for_one.used(Resource.MODELS) == 370e6
    assert loaded(base) is first


def test_a_model_that_somebody_speaks_to_stays(
    room_for_one: Budget, tiny_en: Path, base: Path
) -> None:
    engine = loaded(base)
    session = LiveSession(LiveOptions())
    scheduler = scheduler_of(engine, Limits())
    scheduler.add(session)
    try:
        with pytest.raises(LimitError, match="does not fit"):
            loaded(tiny_en)
        assert engine.is_loaded
    finally:
        session.finish()


def test_a_model_at_work_stays(room_for_one: Budget, tiny_en: Path, base: Path) -> None:
    engine = loaded(base)

    def meanwhile() -> None:
        with pytest.raises(LimitError, match="does not fit"):
            loaded(tiny_en)

    assert engine.transcribe([SILENCE], patient=True, between_steps=meanwhile)


def test_the_command_line_may_take_more_than_there_is(
    room_for_one: Budget, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_engines, "memory_bytes", lambda directory: 1e12)
    with pytest.raises(LimitError):
        loaded(base)
    monkeypatch.setattr(allowed, "_serving", threading.Event())
    shared_engines._shared.clear()
    assert loaded(base).is_loaded


def test_a_model_that_cannot_be_loaded_takes_nothing(room_for_one: Budget, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"config\.json"):
        loaded(tmp_path)
    assert room_for_one.used(Resource.MODELS) == 0


def test_what_a_model_takes_is_known_or_guessed_from_its_size(base: Path, tmp_path: Path) -> None:
    assert memory_bytes(base.resolve()) == 370e6
    (tmp_path / "model.bin").write_bytes(bytes(1_000_000))
    assert memory_bytes(tmp_path) == pytest.approx(201.3e6)


def test_the_memory_of_a_model_that_went_comes_back(tiny_en: Path, base: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CYCLES, str(tiny_en), str(base)],
        env=os.environ | {"ASR_MAX_MODELS_MB": "500"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    alone, first, last = map(float, ran.stdout.split())
    assert last < first + 15  # a vocabulary that stayed took 12 MB each time
    assert alone < last
