"""What a model was trained for, told by its card or its files before it is loaded."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from asr_core.errors import AsrError, ModelError
from asr_core.languages import LANGUAGES
from asr_core.models.catalogue import CATALOGUE
from asr_core.models.convert import array_places, n_layers, read_config
from asr_core.models.fetch import find_local

__all__ = ["MULTILINGUAL_SIZE", "Abilities", "abilities", "check_request"]

MULTILINGUAL_SIZE = 51_865
"""Of the vocabularies of models for many languages, or more; the English ones have fewer."""

_ENGLISH_DISTILLED = ("distil-whisper/distil-", "systran/faster-distil-whisper-")
"""Hub ids that begin so have the vocabulary of all languages and know English only."""


@dataclass(frozen=True)
class Abilities:
    """What a model can be asked for.

    Attributes:
        is_multilingual: it knows languages beside English, and tells them apart.
        can_translate: into English. Models whose decoder was cut down (large-v3-turbo, the
            distilled ones) were trained on transcription alone.
    """

    is_multilingual: bool
    can_translate: bool


def abilities(model: str) -> Abilities | None:
    """Return what ``model`` can be asked for; None while nobody can tell.

    Args:
        model: a catalogue name, a hub id or a directory. What is in no catalogue is told
            by its files, once they are on this machine.
    """
    card = CATALOGUE.get(model) or next((c for c in CATALOGUE.values() if c.repo == model), None)
    if card is not None:
        return Abilities(card.is_multilingual, card.can_translate)
    if model.lower().startswith(_ENGLISH_DISTILLED):
        return Abilities(is_multilingual=False, can_translate=False)
    try:
        directory = find_local(model)
        return None if directory is None else _by_files(directory.resolve())
    except (AsrError, OSError, ValueError, KeyError, TypeError):
        return None  # who loads it tells what is wrong with it


def check_request(
    model: str, language: str | None, *, translate: bool = False, is_mixed: bool = False
) -> None:
    """Make sure that ``model`` can do what is wanted, as far as that can be told yet.

    Args:
        language: code that is spoken, None to have it detected.
        translate: into English.
        is_mixed: several languages are to be told apart.

    Raises:
        ModelError: it cannot.
    """
    known = abilities(model)
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


@functools.lru_cache(maxsize=16)  # pages ask each time that they are drawn
def _by_files(directory: Path) -> Abilities:
    weights = directory / "model.bin"
    if weights.exists():
        shapes = {place.name: place.shape for place in array_places(weights)}
        n_tokens = shapes["decoder/embeddings/weight"][0]
        n_encoder, n_decoder = (n_layers(shapes, part) for part in ("encoder", "decoder"))
    else:
        config = read_config(directory)
        n_tokens = int(config["vocab_size"])
        n_encoder, n_decoder = int(config["encoder_layers"]), int(config["decoder_layers"])
    is_multilingual = n_tokens >= MULTILINGUAL_SIZE
    return Abilities(is_multilingual, is_multilingual and n_decoder >= n_encoder)
