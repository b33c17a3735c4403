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
from asr_core.plain_text import plain, shortened

__all__ = [
    "MAX_CASE_S",
    "MAX_NAME",
    "MAX_SAID",
    "Case",
    "NewCase",
    "check_texts",
    "digest_of",
    "parse_tags",
]

MAX_CASE_S = 300.0
"""Longer ones hide where a model fails; a run could not be stopped in between."""

# Characters. Every tester's page shows every case: what one stores, all others load.
MAX_NAME = 200
MAX_SAID = 10_000  # more than anybody says in MAX_CASE_S
_MAX_TAGS, _MAX_TAG, _MAX_VALUE = 20, 50, 200


@dataclass(frozen=True)
class NewCase:
    """A case before it is stored.

    Attributes:
        said: the words; empty where nobody speaks. This and all texts are made plain.
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
        object.__setattr__(self, "name", plain(self.name))
        object.__setattr__(self, "said", plain(self.said))
        object.__setattr__(self, "tags", {plain(t): plain(v) for t, v in self.tags.items()})
        called = shortened(self.name)
        _check_language(called, self.language)
        if not len(self.samples):
            raise ManifestError(f"{called} holds no sound.")
        if self.seconds > MAX_CASE_S:
            raise ManifestError(
                f"{called} takes {self.seconds:.0f} s; a case is at most {MAX_CASE_S:.0f} s "
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
        owner: address of who added it; empty if nobody signed in.
    """

    id: str
    name: str
    said: str
    language: str
    seconds: float
    tags: Mapping[str, str]
    digest: str
    created_at: datetime
    owner: str = ""


def check_texts(name: str, said: str, language: str, tags: Mapping[str, str]) -> None:
    """Check what is written about a case before it is stored.

    Raises:
        ManifestError: something is too long, or the language is unknown.
    """
    called = shortened(name)
    _check_language(called, language)
    if len(name) > MAX_NAME:
        raise ManifestError(f"The name {called} is longer than {MAX_NAME} characters; shorten it.")
    if len(said) > MAX_SAID:
        raise ManifestError(
            f"{called}: its words have {len(said)} characters; at most {MAX_SAID} are kept."
        )
    if len(tags) > _MAX_TAGS:
        raise ManifestError(f"{called} has {len(tags)} tags; at most {_MAX_TAGS} are kept.")
    for tag, value in tags.items():
        if len(tag) > _MAX_TAG or len(value) > _MAX_VALUE:
            raise ManifestError(
                f"{called}: the tag {shortened(tag, _MAX_TAG)} is too long; a name has at most "
                f"{_MAX_TAG} characters, a value {_MAX_VALUE}."
            )


def _check_language(called: str, language: str) -> None:
    if language not in LANGUAGES:
        raise ManifestError(
            f"{called}: {shortened(language, 20)!r} is no language that Whisper knows; "
            "give a code such as en or de."
        )


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
            raise ManifestError(
                f"{shortened(part)!r} is no tag; write name=value, such as accent=Scots."
            )
        tags[name.lower()] = value
    return tags
