"""JSON that somebody else wrote: bounded in size and depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["is_sound", "read_object"]


def read_object(path: Path, most_bytes: int) -> dict[str, Any] | None:
    """Return the JSON object in ``path``.

    None if the file is missing, unreadable, longer than ``most_bytes``, nested too deep,
    or holds anything but an object.
    """
    try:
        value = _read(path, most_bytes)
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_sound(path: Path, most_bytes: int) -> bool:
    """Whether ``path`` holds JSON of at most ``most_bytes``, and not too deep."""
    try:
        _read(path, most_bytes)
    except (OSError, ValueError, RecursionError):
        return False
    return True


def _read(path: Path, most_bytes: int) -> Any:
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError("too long")
    return json.loads(data)
