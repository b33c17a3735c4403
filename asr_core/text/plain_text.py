"""Sanitising of texts from outside, for database, page, file and terminal.

Lone surrogates cannot be encoded as UTF-8, PostgreSQL refuses NUL, control characters move a
terminal's cursor, and bidirectional overrides disguise one text as another.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["sanitise", "sanitise_data", "shorten"]

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# C0 and C1 except tab and line feed, surrogates, and code points never to be assigned.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane + end) for plane in range(0, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF))
    + "]"
)
# Embeddings, overrides and isolates, but not the marks that Arabic and Hebrew need.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")


def sanitise(text: str) -> str:
    r"""Return ``text`` with unsafe characters replaced or removed; line ends become ``\n``."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _BIDI.sub("", _UNSAFE.sub(_REPLACEMENT, text))


def sanitise_data(data: Any) -> Any:
    """Return JSON-like ``data`` with all texts and keys sanitised."""
    if isinstance(data, str):
        return sanitise(data)
    if isinstance(data, dict):
        return {sanitise_data(key): sanitise_data(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [sanitise_data(each) for each in data]
    return data


def shorten(text: str, max_length: int = 80) -> str:
    """Return ``text`` sanitised, in one line of at most ``max_length`` characters, for messages."""
    line = " ".join(sanitise(text[: 4 * max_length]).split())
    return (
        line
        if len(line) <= max_length and len(text) <= 4 * max_length
        else f"{line[: max_length - 1]}…"
    )
