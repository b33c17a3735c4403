"""The lock file of the model cache: which revision of a hub repository is trusted.

Models of the catalogue are pinned there. Of any other repository the operator's first
fetch writes down the commit and every file's length and digest, in ``models.lock`` in
the cache, and whatever is fetched under that name later has to be the same.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr_core.errors import ModelError
from asr_core.models.cache import cache_dir
from asr_core.models.catalogue import CATALOGUE, KnownFile
from asr_core.models.json_files import read_object

__all__ = ["Pin", "locked_names", "pin_of", "remember"]

_MOST_BYTES = 10_000_000
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_writing = threading.Lock()


@dataclass(frozen=True)
class Pin:
    """A commit of a hub repository, and what its files have to be."""

    revision: str
    files: Mapping[str, KnownFile]


def pin_of(model: str) -> Pin | None:
    """Return what ``model``, a catalogue name or a hub id, is held to; None if nothing is known.

    Raises:
        ModelError: the lock file cannot be read.
    """
    card = CATALOGUE.get(model)
    if card is not None:
        return Pin(card.revision, card.files)
    entry = _read().get(model)
    return None if entry is None else _parsed(entry)


def locked_names() -> list[str]:
    """Return the hub ids in the lock file; none if it cannot be read."""
    try:
        return list(_read())
    except ModelError:
        return []


def remember(model: str, pin: Pin) -> None:
    """Write ``pin`` down as what ``model`` is held to from now on. Any thread may call.

    Raises:
        ModelError: the lock file cannot be read.
        OSError: it cannot be written.
    """
    with _writing:
        models = _read()
        models[model] = {
            "revision": pin.revision,
            "files": {
                name: {"bytes": file.n_bytes, "sha256": file.sha256}
                for name, file in sorted(pin.files.items())
            },
        }
        text = json.dumps({"models": models}, indent=2, sort_keys=True) + "\n"
        handle, name = tempfile.mkstemp(prefix=".lock-", dir=cache_dir())
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(name).replace(_path())


def _path() -> Path:
    return cache_dir() / "models.lock"


def _damaged() -> ModelError:
    return ModelError(
        f"The list of trusted models, {_path()}, cannot be read; repair it or delete it, and "
        "fetch the models again."
    )


def _read() -> dict[str, Any]:
    if not _path().exists():
        return {}
    models = (read_object(_path(), _MOST_BYTES) or {}).get("models")
    if not isinstance(models, dict):
        raise _damaged()
    return models


def _parsed(entry: Any) -> Pin:
    try:
        revision, files = entry["revision"], entry["files"]
        known = {
            str(name): KnownFile(int(file["bytes"]), file["sha256"]) for name, file in files.items()
        }
        sound = _COMMIT.fullmatch(revision) and all(
            _SHA256.fullmatch(file.sha256) for file in known.values()
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damaged() from None
    if not known or not sound:
        raise _damaged()
    return Pin(revision, known)
