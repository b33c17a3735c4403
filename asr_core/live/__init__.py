"""Streaming: recognition while somebody speaks."""

from asr_core.live.scheduler import Scheduler, scheduler_of
from asr_core.live.session import LiveOptions, LiveSession, Phase, Snapshot
from asr_core.live.takes import Take, Takes, end_all, is_closing

__all__ = [
    "LiveOptions",
    "LiveSession",
    "Phase",
    "Scheduler",
    "Snapshot",
    "Take",
    "Takes",
    "end_all",
    "is_closing",
    "scheduler_of",
]
