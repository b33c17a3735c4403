"""Test cases: recordings with their reference transcripts."""

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
from asr_core.text.plain_text import sanitise, shorten

__all__ = [
    "MAX_CASE_S",
    "MAX_NAME",
    "MAX_REFERENCE",
    "Case",
    "NewCase",
    "parse_tags",
    "sample_digest",
    "validate_texts",
]

MAX_CASE_S = 300.0
"""Longest case; in longer ones errors are hard to locate, and a run stops only between cases."""

# In characters; every tester's page loads every case.
MAX_NAME = 200
MAX_REFERENCE = 10_000  # more than anybody can say in MAX_CASE_S
_MAX_TAGS, _MAX_TAG, _MAX_VALUE = 20, 50, 200


@dataclass(frozen=True)
class NewCase:
    """Case that is not stored yet.

    Attributes:
        reference: the transcript; empty for a recording without speech. Control characters are
            removed from this and all other texts.
        samples: (n_samples,) int16, mono 16 kHz.

    Raises:
        ManifestError: the language is unknown, or the recording is empty or too long.
    """

    name: str
    reference: str
    samples: NDArray[np.int16]
    language: str = "en"
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", sanitise(self.name))
        object.__setattr__(self, "reference", sanitise(self.reference))
        object.__setattr__(self, "tags", {sanitise(t): sanitise(v) for t, v in self.tags.items()})
        called = shorten(self.name)
        _check_language(called, self.language)
        if not len(self.samples):
            raise ManifestError(f"{called} has no audio.")
        if self.seconds > MAX_CASE_S:
            raise ManifestError(
                f"{called} lasts {self.seconds:.0f} s; a case is at most {MAX_CASE_S:.0f} s "
                "long. Cut it into sentences, so that errors can be located."
            )

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ

    @property
    def digest(self) -> str:
        return sample_digest(self.samples)


@dataclass(frozen=True)
class Case:
    """Stored case.

    Attributes:
        id: names its audio file.
        reference: the transcript; empty for a recording without speech.
        digest: SHA-256 of its samples; equal recordings have equal digests.
        tags: such as speaker, accent, device and place.
        owner: e-mail address of who added it; empty without sign-in.
    """

    id: str
    name: str
    reference: str
    language: str
    seconds: float
    tags: Mapping[str, str]
    digest: str
    created_at: datetime
    owner: str = ""


def validate_texts(name: str, reference: str, language: str, tags: Mapping[str, str]) -> None:
    """Check the texts of a case before it is stored.

    Raises:
        ManifestError: a text is too long, or the language is unknown.
    """
    called = shorten(name)
    _check_language(called, language)
    if len(name) > MAX_NAME:
        raise ManifestError(f"The name {called} is longer than {MAX_NAME} characters; shorten it.")
    if len(reference) > MAX_REFERENCE:
        raise ManifestError(
            f"{called}: its transcript has {len(reference)} characters; at most {MAX_REFERENCE} are allowed."
        )
    if len(tags) > _MAX_TAGS:
        raise ManifestError(f"{called} has {len(tags)} tags; at most {_MAX_TAGS} are allowed.")
    for tag, value in tags.items():
        if len(tag) > _MAX_TAG or len(value) > _MAX_VALUE:
            raise ManifestError(
                f"{called}: the tag {shorten(tag, _MAX_TAG)} is too long; a name has at most "
                f"{_MAX_TAG} characters, a value {_MAX_VALUE}."
            )


def _check_language(called: str, language: str) -> None:
    if language not in LANGUAGES:
        raise ManifestError(
            f"{called}: {shorten(language, 20)!r} is not a language that Whisper knows; "
            "give a code such as en or de."
        )


def sample_digest(samples: NDArray[np.int16]) -> str:
    """Return the SHA-256 of (n_samples,) int16 samples, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(samples, "<i2").tobytes()).hexdigest()


def parse_tags(text: str) -> dict[str, str]:
    """Parse ``accent=Scots, device=phone`` into a mapping.

    Raises:
        ManifestError: a part is not written name=value.
    """
    tags: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not (name and sign and value):
            raise ManifestError(
                f"{shorten(part)!r} is not a tag; write name=value, such as accent=Scots."
            )
        tags[name.lower()] = value
    return tags
