"""Streaming: recognition while somebody speaks."""

from asr_core.live.policy import agreed
from asr_core.live.scheduler import Scheduler
from asr_core.live.session import LiveOptions, LiveSession, Snapshot

__all__ = ["LiveOptions", "LiveSession", "Scheduler", "Snapshot", "agreed"]
