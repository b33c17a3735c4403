"""Limits on what one user may do on a shared machine, from the environment.

Streamlit exports the top-level entries of ``.streamlit/secrets.toml`` to it as well.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from asr_core.errors import LimitError

__all__ = ["UsageLimits", "positive_number"]


@dataclass(frozen=True)
class UsageLimits:
    """Limits for users; None means no limit.

    Attributes:
        max_speakers: simultaneous speakers; by default as many as measured to be possible.
        max_recording_s: seconds from START to STOP.
        max_file_s: seconds of a file that are transcribed.
    """

    max_speakers: int | None = None
    max_recording_s: float | None = None
    max_file_s: float | None = 12 * 3600.0

    @classmethod
    def read(cls, settings: Mapping[str, str] = os.environ) -> UsageLimits:
        """Read ``ASR_MAX_SPEAKERS``, ``ASR_MAX_TAKE_MINUTES`` and ``ASR_MAX_FILE_MINUTES``.

        Raises:
            LimitError: a setting is not a number above zero.
        """
        speakers = positive_number(settings, "ASR_MAX_SPEAKERS")
        recording = positive_number(settings, "ASR_MAX_TAKE_MINUTES")
        file = positive_number(settings, "ASR_MAX_FILE_MINUTES")
        return cls(
            max_speakers=None if speakers is None else max(1, int(speakers)),
            max_recording_s=None if recording is None else 60 * recording,
            max_file_s=cls.max_file_s if file is None else 60 * file,
        )


def positive_number(settings: Mapping[str, str], name: str) -> float | None:
    """Return the value of setting ``name``; None if it is unset.

    Raises:
        LimitError: the value is not a number above zero.
    """
    text = settings.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise LimitError(f"{name} is {text!r}; set it to a number above 0, or remove it.")
    return value
