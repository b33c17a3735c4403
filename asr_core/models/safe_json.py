"""Reading of untrusted JSON, bounded in size and depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["is_valid_json", "read_json_object"]


def read_json_object(path: Path, max_bytes: int) -> dict[str, Any] | None:
    """Return the JSON object in ``path``; None if it is missing, too long, too deep or no object."""
    try:
        value = _read(path, max_bytes)
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_valid_json(path: Path, max_bytes: int) -> bool:
    """Return True if ``path`` is valid JSON of at most ``max_bytes`` and not nested too deep."""
    try:
        _read(path, max_bytes)
    except (OSError, ValueError, RecursionError):
        return False
    return True


def _read(path: Path, max_bytes: int) -> Any:
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError("too long")
    return json.loads(data)
