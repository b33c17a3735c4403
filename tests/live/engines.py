"""Engines for what the real one cannot show: faults, and exact timing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from asr_core.engines.base import Engine, Hypothesis, Window
from asr_core.errors import EngineError
from asr_core.transcript import Word


class Slow:
    """A real engine made slower: every call takes ``factor`` times its audio."""

    def __init__(self, engine: Engine, factor: float) -> None:
        self.engine, self.factor = engine, factor

    def __getattr__(self, name: str) -> object:
        return getattr(self.engine, name)

    def transcribe(self, windows: Sequence[Window], **options: Any) -> list[Hypothesis]:
        time.sleep(self.factor * sum(len(window.samples) for window in windows) / 16_000)
        return self.engine.transcribe(windows, **options)


class Failing:
    """A real engine that fails when ``fails`` says so of a batch."""

    def __init__(self, engine: Engine, fails: Callable[[Sequence[Window]], bool]) -> None:
        self.engine, self.fails = engine, fails

    def __getattr__(self, name: str) -> object:
        return getattr(self.engine, name)

    def transcribe(self, windows: Sequence[Window], **options: Any) -> list[Hypothesis]:
        if self.fails(windows):
            raise EngineError("The model failed on purpose.")
        return self.engine.transcribe(windows, **options)


class Hanging:
    """An engine that answers nothing until ``go_on`` is set."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.go_on, self.is_asked = engine, threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self.engine, name)

    def transcribe(self, windows: Sequence[Window], **options: Any) -> list[Hypothesis]:
        self.is_asked.set()
        self.go_on.wait()
        return self.engine.transcribe(windows, **options)


class Counting:
    """Hears a word for every half second of a window, and remembers the windows.

    ``mark`` is what it puts behind the last word.
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
        return Hypothesis(words, (), (), (), "en", 1.0, 0.0, -0.1, 1.0)
