"""Engines in float32 to compare with, and fake ones for faults and exact timing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr_core.engines.base import Engine, Hypothesis, Window
from asr_core.errors import EngineError
from asr_core.transcript import Word

if TYPE_CHECKING:  # every process that runs tests would import torch
    from asr_core.engines.ctranslate2 import CTranslate2Engine
    from asr_core.engines.torch.engine import TransformersEngine


@cache
def float_engines(directory: Path) -> tuple[CTranslate2Engine, TransformersEngine]:
    """Return the same weights in float32 on CTranslate2 and on torch, loaded once a process."""
    from asr_core.engines.ctranslate2 import CTranslate2Engine
    from asr_core.engines.torch.engine import TransformersEngine

    on_ctranslate2 = CTranslate2Engine(directory, compute_type="float32")
    return on_ctranslate2, TransformersEngine(directory, device="cpu")


class SlowEngine:
    """A real engine made slower: every call lasts ``factor`` times its audio."""

    def __init__(self, engine: Engine, factor: float) -> None:
        self.engine, self.factor = engine, factor

    def __getattr__(self, name: str) -> object:
        return getattr(self.engine, name)

    def transcribe(self, windows: Sequence[Window], **options: Any) -> list[Hypothesis]:
        time.sleep(self.factor * sum(len(window.samples) for window in windows) / 16_000)
        return self.engine.transcribe(windows, **options)


class FailingEngine:
    """A real engine that fails on the batches for which ``fails`` returns True."""

    def __init__(self, engine: Engine, fails: Callable[[Sequence[Window]], bool]) -> None:
        self.engine, self.fails = engine, fails

    def __getattr__(self, name: str) -> object:
        return getattr(self.engine, name)

    def transcribe(self, windows: Sequence[Window], **options: Any) -> list[Hypothesis]:
        if self.fails(windows):
            raise EngineError("The model failed on purpose.")
        return self.engine.transcribe(windows, **options)


class HangingEngine:
    """A real engine that does not answer until ``go_on`` is set."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.go_on, self.is_asked = engine, threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self.engine, name)

    def transcribe(self, windows: Sequence[Window], **options: Any) -> list[Hypothesis]:
        self.is_asked.set()
        self.go_on.wait()
        return self.engine.transcribe(windows, **options)


class CountingEngine:
    """A fake engine that writes a word for every half second, and keeps the windows.

    ``mark`` is appended to the last word.
    """

    n_parallel = 1

    def __init__(self, batch_size: int = 1, mark: str = "") -> None:
        self.batch_size, self.mark = batch_size, mark
        self.batches: list[list[Window]] = []

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis]:
        self.batches.append(list(windows))
        return [self._hypothesis(window) for window in windows]

    def _hypothesis(self, window: Window) -> Hypothesis:
        n = int(len(window.samples) / 8_000)
        # The samples say which word it is, so that words are the same in every window.
        spoken = [f" w{round(float(window.samples[i * 8_000]) * 1e4)}" for i in range(n)]
        if spoken:
            spoken[-1] += self.mark
        words = tuple(Word(text, i / 2, i / 2 + 0.4, 0.9) for i, text in enumerate(spoken))
        new = words[len(window.prefix) :]  # a token a word
        return Hypothesis(new, ((1,),) * len(new), "en", 1.0, 0.0, -0.1, 1.0)
