"""Models share a memory limit; idle ones are unloaded, and reloaded when called."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from asr_core.engines import load_engine, registry
from asr_core.engines.base import Window
from asr_core.engines.registry import SharedEngine, estimate_memory_bytes
from asr_core.errors import LimitError
from asr_core.models import allowlist
from asr_core.ops.budget import Budget, Quota, Resource
from asr_core.streaming import LiveOptions, LiveSession, scheduler_for

SILENCE = Window(np.zeros(16_000, np.float32), language="en")

CYCLES = """
import psutil, sys
from pathlib import Path
from asr_core.engines import load_engine, registry
registry._IDLE_S = 0.0
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
    """An empty registry with memory for base or tiny.en, not for both."""
    allowance = Quota(500e6, 500e6, "This model does not fit: {what} too little memory left.")
    budget = Budget({Resource.MODELS: allowance})
    monkeypatch.setattr(registry, "process_budget", lambda: budget)
    monkeypatch.setattr(registry, "_registry", {})
    monkeypatch.setattr(registry, "_IDLE_S", 0.0)
    monkeypatch.setattr(registry, "_MEMORY_TIMEOUT_S", 0.0)
    serving = threading.Event()
    serving.set()
    monkeypatch.setattr(allowlist, "_serving", serving)
    yield budget
    for engine in registry.shared_engines():
        engine.unload()


def loaded(directory: Path) -> SharedEngine:
    engine = load_engine(directory, "onnx")
    assert isinstance(engine, SharedEngine)
    return engine


def test_an_idle_model_is_unloaded_for_another_and_reloaded_when_called(
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


def test_a_model_with_a_live_session_stays(room_for_one: Budget, tiny_en: Path, base: Path) -> None:
    engine = loaded(base)
    session = LiveSession(LiveOptions())
    scheduler = scheduler_for(engine)
    scheduler.add(session)
    try:
        with pytest.raises(LimitError, match="does not fit"):
            loaded(tiny_en)
        assert engine.is_loaded
    finally:
        session.finish()


def test_a_busy_model_stays(room_for_one: Budget, tiny_en: Path, base: Path) -> None:
    engine = loaded(base)

    def meanwhile() -> None:
        with pytest.raises(LimitError, match="does not fit"):
            loaded(tiny_en)

    assert engine.transcribe([SILENCE], background=True, check_cancelled=meanwhile)


def test_the_command_line_may_exceed_the_memory_limit(
    room_for_one: Budget, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "estimate_memory_bytes", lambda directory: 1e12)
    with pytest.raises(LimitError):
        loaded(base)
    monkeypatch.setattr(allowlist, "_serving", threading.Event())
    registry._registry.clear()  # private: nothing else forgets a model that failed
    assert loaded(base).is_loaded


def test_a_model_that_fails_to_load_reserves_nothing(room_for_one: Budget, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"config\.json"):
        loaded(tmp_path)
    assert room_for_one.used(Resource.MODELS) == 0


def test_the_memory_of_a_model_is_known_or_estimated_from_its_size(
    base: Path, tmp_path: Path
) -> None:
    assert estimate_memory_bytes(base.resolve()) == 370e6
    (tmp_path / "model.bin").write_bytes(bytes(1_000_000))
    assert estimate_memory_bytes(tmp_path) == pytest.approx(201.3e6)


def test_the_memory_of_an_unloaded_model_is_freed(tiny_en: Path, base: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CYCLES, str(tiny_en), str(base)],
        env=os.environ | {"ASR_MAX_MODEL_MEMORY_MB": "500"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    alone, first, last = map(float, ran.stdout.split())
    assert last < first + 15  # a leaked tokenizer took 12 MB each time
    assert alone < last
