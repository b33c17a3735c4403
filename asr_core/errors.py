"""Exceptions that this package raises on purpose.

Every message is one sentence for the user: what happened, why, and what to do about it. Pages
and the command line show it as it is.
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
    "SettingsError",
    "StoreError",
]


class AsrError(Exception):
    """Base class: an error with a sentence for the user."""


class AudioError(AsrError):
    """Audio that cannot be read, or that holds no sound."""


class ModelError(AsrError):
    """A model that is unknown, incomplete or cannot be fetched."""


class EngineError(AsrError):
    """An engine that is not installed, or failed at run time."""


class Cancelled(AsrError):
    """Work that the user stopped; nothing is wrong."""


class ConditionError(AsrError):
    """A test-bench condition that is unknown, out of its limits or lacks what it needs."""


class LanguageError(AsrError):
    """A language that Whisper does not know."""


class LimitError(AsrError):
    """A limit that is reached."""


class ManifestError(AsrError):
    """A list of recordings that cannot be read."""


class SettingsError(AsrError):
    """A setting whose value is not valid."""


class StoreError(AsrError):
    """A test-bench store that cannot be reached or is full."""
