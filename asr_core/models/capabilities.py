"""Capabilities of a model, known from its card or its files before it is loaded."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from asr_core.errors import AsrError, ModelError
from asr_core.languages import LANGUAGES
from asr_core.models.catalogue import CATALOGUE
from asr_core.models.ctranslate2_format import count_layers, locate_arrays, read_config
from asr_core.models.fetch import find_local

__all__ = ["MULTILINGUAL_SIZE", "Capabilities", "capabilities", "check_request"]

MULTILINGUAL_SIZE = 51_865
"""Vocabulary size from which on a model is multilingual; English-only ones have fewer tokens."""

_ENGLISH_DISTILLED = ("distil-whisper/distil-", "systran/faster-distil-whisper-")
"""Prefixes of hub ids with the multilingual vocabulary and English training only."""


@dataclass(frozen=True)
class Capabilities:
    """Languages and tasks that a model was trained for.

    Attributes:
        is_multilingual: it knows other languages than English, and detects them.
        can_translate: it translates into English. Models with a reduced decoder
            (large-v3-turbo, the distilled ones) were trained on transcription only.
    """

    is_multilingual: bool
    can_translate: bool


def capabilities(model: str) -> Capabilities | None:
    """Return the capabilities of ``model``; None while they are unknown.

    Args:
        model: a catalogue name, a hub id or a directory. Models outside the catalogue are
            known by their files, once these are on this machine.
    """
    card = CATALOGUE.get(model) or next((c for c in CATALOGUE.values() if c.repo == model), None)
    if card is not None:
        return Capabilities(card.is_multilingual, card.can_translate)
    if model.lower().startswith(_ENGLISH_DISTILLED):
        return Capabilities(is_multilingual=False, can_translate=False)
    try:
        directory = find_local(model)
        return None if directory is None else _read_from_files(directory.resolve())
    except (AsrError, OSError, ValueError, KeyError, TypeError):
        return None  # loading it reports what is wrong


def check_request(
    model: str, language: str | None, *, translate: bool = False, is_mixed: bool = False
) -> None:
    """Check that ``model`` is capable of a request, as far as its capabilities are known.

    Args:
        model: catalogue name, hub id or directory.
        language: language code, None for detection.
        translate: translation into English.
        is_mixed: detection of several languages.

    Raises:
        ModelError: it cannot.
    """
    known = capabilities(model)
    if known is None:
        return
    if not known.is_multilingual:
        if language not in (None, "en"):
            raise ModelError(
                f"The model {model} does not know {LANGUAGES[language or 'en']}; "
                "choose a multilingual model such as base."
            )
        if translate or is_mixed:
            task = "translate" if translate else "tell languages apart"
            raise ModelError(
                f"The model {model} knows English only, so it cannot {task}; "
                "choose a multilingual model such as base."
            )
    if translate and not known.can_translate:
        raise ModelError(
            f"The model {model} was not trained to translate; choose another one, such as base "
            "or large-v3."
        )


@functools.lru_cache(maxsize=16)  # pages ask on every run
def _read_from_files(directory: Path) -> Capabilities:
    weights = directory / "model.bin"
    if weights.exists():
        shapes = {place.name: place.shape for place in locate_arrays(weights)}
        n_tokens = shapes["decoder/embeddings/weight"][0]
        n_encoder, n_decoder = (count_layers(shapes, part) for part in ("encoder", "decoder"))
    else:
        config = read_config(directory)
        n_tokens = int(config["vocab_size"])
        n_encoder, n_decoder = int(config["encoder_layers"]), int(config["decoder_layers"])
    is_multilingual = n_tokens >= MULTILINGUAL_SIZE
    return Capabilities(is_multilingual, is_multilingual and n_decoder >= n_encoder)
