"""What a case is: a recording with the words that were said."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.errors import ManifestError
from asr_core.languages import LANGUAGES

__all__ = ["Case", "NewCase", "digest_of", "parse_tags"]

MAX_CASE_S = 300.0
"""Longer ones hide where a model fails; a run could not be stopped in between."""


@dataclass(frozen=True)
class NewCase:
    """A case before it is stored.

    Attributes:
        said: the words; empty where nobody speaks.
        samples: (n_samples,) int16, mono 16 kHz.

    Raises:
        ManifestError: the language is unknown or the recording empty or too long.
    """

    name: str
    said: str
    samples: NDArray[np.int16]
    language: str = "en"
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise ManifestError(
                f"{self.name}: {self.language!r} is no language that Whisper knows; "
                "give a code such as en or de."
            )
        if not len(self.samples):
            raise ManifestError(f"{self.name} holds no sound.")
        if self.seconds > MAX_CASE_S:
            raise ManifestError(
                f"{self.name} takes {self.seconds:.0f} s; a case is at most {MAX_CASE_S:.0f} s "
                "long, so that one can see where it fails. Cut it into sentences."
            )

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ

    @property
    def digest(self) -> str:
        return digest_of(self.samples)


@dataclass(frozen=True)
class Case:
    """A stored case.

    Attributes:
        id: names its audio.
        digest: of its samples; equal recordings have equal ones.
        tags: such as speaker, accent, device and place.
    """

    id: str
    name: str
    said: str
    language: str
    seconds: float
    tags: Mapping[str, str]
    digest: str
    created_at: datetime


def digest_of(samples: NDArray[np.int16]) -> str:
    """sha256 of the samples."""
    return hashlib.sha256(np.ascontiguousarray(samples, "<i2").tobytes()).hexdigest()


def parse_tags(text: str) -> dict[str, str]:
    """``accent=Scots, device=phone`` as a mapping.

    Raises:
        ManifestError: a part has no value.
    """
    tags: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not (name and sign and value):
            raise ManifestError(f"{part!r} is no tag; write name=value, such as accent=Scots.")
        tags[name.lower()] = value
    return tags
