"""Full context: the recording is complete, then the model runs."""

from asr_core.fullcontext.jobs import Job, JobQueue, JobState
from asr_core.fullcontext.transcribe import FileProgress, transcribe

__all__ = ["FileProgress", "Job", "JobQueue", "JobState", "transcribe"]
