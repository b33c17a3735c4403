"""Lock file of the model cache: the trusted revision of each hub repository.

Catalogue models are pinned in the catalogue. For any other repository the operator's first fetch
records the commit and the length and digest of every file in ``models.lock`` in the cache; later
fetches of that name must match.
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
from asr_core.models.catalogue import CATALOGUE, PinnedFile
from asr_core.models.safe_json import read_json_object

__all__ = ["Pin", "find_pin", "pinned_names", "save_pin"]

_MAX_FILE_BYTES = 10_000_000
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_write_lock = threading.Lock()


@dataclass(frozen=True)
class Pin:
    """Commit of a hub repository, with the length and digest of its files."""

    revision: str
    files: Mapping[str, PinnedFile]


def find_pin(model: str) -> Pin | None:
    """Return the pin of ``model``, a catalogue name or a hub id; None if it has none.

    Raises:
        ModelError: the lock file cannot be read.
    """
    card = CATALOGUE.get(model)
    if card is not None:
        return Pin(card.revision, card.files)
    entry = _read().get(model)
    return None if entry is None else _parse_pin(entry)


def pinned_names() -> list[str]:
    """Return the hub ids in the lock file; none if it cannot be read."""
    try:
        return list(_read())
    except ModelError:
        return []


def save_pin(model: str, pin: Pin) -> None:
    """Save ``pin`` as the trusted revision of ``model``. Any thread may call.

    Raises:
        ModelError: the lock file cannot be read.
        OSError: it cannot be written.
    """
    with _write_lock:
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


def _damaged_error() -> ModelError:
    return ModelError(
        f"The list of trusted models, {_path()}, cannot be read; repair it or delete it, and "
        "fetch the models again."
    )


def _read() -> dict[str, Any]:
    if not _path().exists():
        return {}
    models = (read_json_object(_path(), _MAX_FILE_BYTES) or {}).get("models")
    if not isinstance(models, dict):
        raise _damaged_error()
    return models


def _parse_pin(entry: Any) -> Pin:
    try:
        revision, files = entry["revision"], entry["files"]
        known = {
            str(name): PinnedFile(int(file["bytes"]), file["sha256"])
            for name, file in files.items()
        }
        is_valid = _COMMIT.fullmatch(revision) and all(
            _SHA256.fullmatch(file.sha256) for file in known.values()
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damaged_error() from None
    if not known or not is_valid:
        raise _damaged_error()
    return Pin(revision, known)
