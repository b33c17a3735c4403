"""Silero's voice detection network in the package of faster-whisper (1.2).

Silero's own package needs torch. The code of faster-whisper is not imported.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

__all__ = ["silero_vad_file"]


def silero_vad_file() -> Path | None:
    """Return the network's ONNX file; None if the package is not installed or lacks it."""
    spec = importlib.util.find_spec("faster_whisper")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / "assets" / "silero_vad_v6.onnx"
    return path if path.is_file() else None
