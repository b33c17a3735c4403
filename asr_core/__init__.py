"""Speech recognition with Whisper, streaming and full context.

Importing this package is cheap: neither an engine nor a model is loaded.
"""

from asr_core.errors import AsrError, AudioError, Cancelled, EngineError, ModelError
from asr_core.ops.telemetry import disable_telemetry
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

__version__ = "0.1.0"

disable_telemetry()  # here, since nothing of this package can be imported before
