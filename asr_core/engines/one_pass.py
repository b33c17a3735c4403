"""A model that CTranslate2 lets read a prefix in one pass.

CTranslate2 4.8 feeds text after the start sequence to the decoder token by
token: forty settled tokens cost as much as forty new ones. What it takes in one
pass is the run of tokens whose numbers lie between those of
``<|startoftranscript|>`` and ``<|notimestamps|>`` (``get_prompt_length`` in its
``whisper.cc``). So here the start token changes places with token 0: its row of
the embedding, its line of the vocabulary, its numbers in the config. Text then
lies between the two, and the model is the same up to that renaming.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asr_core.models.convert import ArrayPlace, array_places, read_config

__all__ = ["renamed", "start_first"]

_VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
_OF_TOKENS = ("decoder/embeddings/", "decoder/projection/")  # a row a token


def renamed(tokens: Sequence[int], start: int) -> list[int]:
    """``tokens`` of the model as those of its renamed copy, or the other way round."""
    other = {0: start, start: 0}
    return [other.get(token, token) for token in tokens]


@contextmanager
def start_first(directory: Path) -> Iterator[Path]:
    """A copy of the model in ``directory`` whose start token is token 0.

    The copy lies in the system's temporary folder and is gone after the block.

    Raises:
        OSError: there is no room for the copy, or a file is missing.
        ValueError: the model knows no start token, so it is no Whisper model.
        ModelError: a file is damaged.
    """
    config = read_config(directory)
    with tempfile.TemporaryDirectory(prefix="asr-model-") as folder:
        copy = Path(folder)
        start = _rename_vocabulary(directory, copy)
        (copy / "config.json").write_text(json.dumps(_renamed_config(config, start)))
        weights = copy / "model.bin"
        shutil.copyfile(directory / "model.bin", weights)
        for place in array_places(weights):
            if place.name.startswith(_OF_TOKENS) and place.shape and place.shape[0] > start:
                _exchange_rows(weights, place, start)
        yield copy


def _exchange_rows(path: Path, place: ArrayPlace, row: int) -> None:
    size = place.n_bytes // place.shape[0]
    with path.open("r+b") as file:
        file.seek(place.offset)
        first = file.read(size)
        file.seek(place.offset + row * size)
        other = file.read(size)
        file.seek(place.offset + row * size)
        file.write(first)
        file.seek(place.offset)
        file.write(other)


def _rename_vocabulary(directory: Path, copy: Path) -> int:
    """Write the vocabulary with the start token first; return the number it had."""
    name = next((name for name in _VOCABULARIES if (directory / name).exists()), _VOCABULARIES[0])
    text = (directory / name).read_text(encoding="utf-8")
    is_json = name.endswith(".json")
    tokens = json.loads(text) if is_json else text.split("\n")
    start = int(tokens.index("<|startoftranscript|>"))
    tokens[0], tokens[start] = tokens[start], tokens[0]
    renamed_text = json.dumps(tokens) if is_json else "\n".join(tokens)
    (copy / name).write_text(renamed_text, encoding="utf-8", newline="\n")
    return start


def _renamed_config(config: dict[str, Any], start: int) -> dict[str, Any]:
    numbers = {
        key: renamed(config[key], start)
        for key in ("suppress_ids", "suppress_ids_begin")
        if config.get(key)
    }
    return config | numbers
