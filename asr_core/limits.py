"""What one user may take of a shared machine, set in one place: the environment.

Streamlit puts what stands at the top of ``.streamlit/secrets.toml`` there too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from asr_core.errors import LimitError

__all__ = ["Limits", "number_above_0"]


@dataclass(frozen=True)
class Limits:
    """None means no limit.

    Attributes:
        speakers: at once; without it as many as the machine is measured to serve.
        take_s: seconds from START to STOP.
        file_s: seconds of a file that are heard.
    """

    speakers: int | None = None
    take_s: float | None = None
    file_s: float | None = 12 * 3600.0

    @classmethod
    def read(cls, settings: Mapping[str, str] = os.environ) -> Limits:
        """From ``ASR_MAX_SPEAKERS``, ``ASR_MAX_TAKE_MINUTES`` and ``ASR_MAX_FILE_MINUTES``.

        Raises:
            LimitError: one of them is no number above zero.
        """
        speakers = number_above_0(settings, "ASR_MAX_SPEAKERS")
        take, file = (
            number_above_0(settings, f"ASR_MAX_{kind}_MINUTES") for kind in ("TAKE", "FILE")
        )
        return cls(
            speakers=None if speakers is None else max(1, int(speakers)),
            take_s=None if take is None else 60 * take,
            file_s=cls.file_s if file is None else 60 * file,
        )


def number_above_0(settings: Mapping[str, str], name: str) -> float | None:
    """Return the setting called ``name``; None if it is not there.

    Raises:
        LimitError: it is no number above zero.
    """
    text = settings.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise LimitError(f"{name} is {text!r}; set it to a number above 0, or leave it out.")
    return value
