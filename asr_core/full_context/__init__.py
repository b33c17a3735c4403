"""Full context: the recording is complete, then the model runs."""

from asr_core.full_context.jobs import Job, JobQueue, JobState
from asr_core.full_context.time_range import TimeRange
from asr_core.full_context.transcribe import FileOptions, FileProgress, transcribe

__all__ = ["FileOptions", "FileProgress", "Job", "JobQueue", "JobState", "TimeRange", "transcribe"]
