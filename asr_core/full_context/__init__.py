"""Full context: transcription of complete recordings."""

from asr_core.full_context.config import FullContextConfig
from asr_core.full_context.jobs import Job, JobQueue, JobState
from asr_core.full_context.time_range import TimeRange
from asr_core.full_context.transcribe import FileOptions, FileProgress, transcribe

__all__ = [
    "FileOptions",
    "FileProgress",
    "FullContextConfig",
    "Job",
    "JobQueue",
    "JobState",
    "TimeRange",
    "transcribe",
]
