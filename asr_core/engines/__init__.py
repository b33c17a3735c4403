"""Engines: windows of audio in, hypotheses out."""

from asr_core.engines.base import Engine, EngineName, Hypothesis, Task, Window
from asr_core.engines.loading import choose_engine, load_engine

__all__ = [
    "Engine",
    "EngineName",
    "Hypothesis",
    "Task",
    "Window",
    "choose_engine",
    "load_engine",
]
