"""Reading of untrusted JSON, bounded in size and depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["is_valid_json", "read_bounded", "read_json_object"]


def read_json_object(path: Path, max_bytes: int) -> dict[str, Any] | None:
    """Return the JSON object in ``path``; None if it is missing, too long, too deep or no object."""
    try:
        value = json.loads(read_bounded(path, max_bytes))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_valid_json(path: Path, max_bytes: int) -> bool:
    """Return True if ``path`` is valid JSON of at most ``max_bytes`` and not nested too deep."""
    try:
        json.loads(read_bounded(path, max_bytes))
    except (OSError, ValueError, RecursionError):
        return False
    return True


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Return the content of ``path``.

    Raises:
        OSError: it cannot be read.
        ValueError: it is longer than ``max_bytes``.
    """
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError("too long")
    return data
