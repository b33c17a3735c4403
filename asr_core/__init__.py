"""Speech recognition with Whisper, streaming and full context.

Importing this package is cheap: neither an engine nor a model is loaded.
"""

from asr_core.errors import AsrError, AudioError, Cancelled, EngineError, ModelError
from asr_core.telemetry import turn_off
from asr_core.transcript import Segment, Transcript, Word

__all__ = [
    "AsrError",
    "AudioError",
    "Cancelled",
    "EngineError",
    "ModelError",
    "Segment",
    "Transcript",
    "Word",
]

turn_off()  # here, since nothing of this package can be imported before
