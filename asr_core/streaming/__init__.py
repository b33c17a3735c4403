"""Streaming: recognition while somebody speaks."""

from asr_core.streaming.config import StreamingConfig
from asr_core.streaming.recording import Recording
from asr_core.streaming.recording_controller import (
    RecordingController,
    end_all,
    is_closing,
)
from asr_core.streaming.refinement import Refinement, refine
from asr_core.streaming.scheduler import Scheduler, scheduler_for
from asr_core.streaming.session import LiveOptions, LiveSession, Phase, Snapshot

__all__ = [
    "LiveOptions",
    "LiveSession",
    "Phase",
    "Recording",
    "RecordingController",
    "Refinement",
    "Scheduler",
    "Snapshot",
    "StreamingConfig",
    "end_all",
    "is_closing",
    "refine",
    "scheduler_for",
]
