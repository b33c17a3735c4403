"""Speech recognition with Whisper: whole recordings, and speech while it is spoken.

    import asr_core

    model = asr_core.load_model("base")
    transcript = model.transcribe("talk.mp3")
    transcript.save("talk.srt")

    with model.stream() as stream:
        for block in blocks:  # (n_samples,) float32 or int16, mono, 16 kHz
            for event in stream.feed(block):
                print(event.final_text, "…", event.partial_text)

Importing this package is cheap: engines and models are imported when they are used.
"""

from typing import TYPE_CHECKING, Any

from asr_core.errors import AsrError, AudioError, Cancelled, EngineError, LimitError, ModelError
from asr_core.ops.telemetry import disable_telemetry
from asr_core.transcript import Segment, Transcript, Word

if TYPE_CHECKING:
    from asr_core.api import Model, Stream, StreamEvent, TranscriptionResult, load_model

__all__ = [
    "AsrError",
    "AudioError",
    "Cancelled",
    "EngineError",
    "LimitError",
    "Model",
    "ModelError",
    "Segment",
    "Stream",
    "StreamEvent",
    "Transcript",
    "TranscriptionResult",
    "Word",
    "load_model",
]

__version__ = "0.1.0"

_FROM_API = {"Model", "Stream", "StreamEvent", "TranscriptionResult", "load_model"}

disable_telemetry()  # here, since nothing of this package can be imported before


def __getattr__(name: str) -> Any:
    """Import the library's parts when they are asked for: they bring NumPy and FFmpeg."""
    if name not in _FROM_API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from asr_core import api

    globals().update({public: getattr(api, public) for public in _FROM_API})
    return globals()[name]


def __dir__() -> list[str]:
    return sorted([*globals(), *_FROM_API])
