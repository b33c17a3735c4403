"""Full context: the recording is complete, then the model runs."""

from asr_core.fullcontext.transcribe import FileProgress, transcribe

__all__ = ["FileProgress", "transcribe"]
