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
    """Model that is unknown, incomplete or cannot be fetched."""


class EngineError(AsrError):
    """Engine that is not installed, or failed at run time."""


class Cancelled(AsrError):
    """Work that the user stopped; nothing is wrong."""


class ConditionError(AsrError):
    """Test-bench condition that is unknown, out of its limits or lacks what it needs."""


class LanguageError(AsrError):
    """Language that Whisper does not know."""


class LimitError(AsrError):
    """Limit that is reached."""


class ManifestError(AsrError):
    """List of recordings that cannot be read."""


class SettingsError(AsrError):
    """Setting whose value is not valid."""


class StoreError(AsrError):
    """Test-bench store that cannot be reached or is full."""
