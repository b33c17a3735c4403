"""The few exception types that this package raises on purpose.

Every message is one sentence for the person at the keyboard: what happened,
why, and what to do about it. Pages and the command line show it as it is.
"""

from __future__ import annotations

__all__ = [
    "AsrError",
    "AudioError",
    "Cancelled",
    "ConditionError",
    "EngineError",
    "LanguageError",
    "LimitError",
    "ManifestError",
    "ModelError",
    "StoreError",
]


class AsrError(Exception):
    """Base of all errors with a sentence for the user."""


class AudioError(AsrError):
    """The audio cannot be read or holds no sound."""


class ModelError(AsrError):
    """The model is unknown, incomplete or cannot be fetched."""


class EngineError(AsrError):
    """The engine is not installed, or it failed while it ran."""


class Cancelled(AsrError):
    """The user stopped the work; nothing is wrong."""


class ConditionError(AsrError):
    """A condition of the test bench is unknown, out of its limits or lacks what it needs."""


class LanguageError(AsrError):
    """Whisper knows no such language."""


class LimitError(AsrError):
    """A limit is set to something that is none."""


class ManifestError(AsrError):
    """A list of recordings cannot be read."""


class StoreError(AsrError):
    """The test bench's store cannot be reached, or is full."""
