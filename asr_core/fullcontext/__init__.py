"""Full context: the recording is complete, then the model runs."""

from asr_core.fullcontext.jobs import Job, JobQueue, JobState
from asr_core.fullcontext.stretch import Stretch
from asr_core.fullcontext.transcribe import FileOptions, FileProgress, transcribe

__all__ = ["FileOptions", "FileProgress", "Job", "JobQueue", "JobState", "Stretch", "transcribe"]
