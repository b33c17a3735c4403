"""Texts from outside, made fit for every place: database, page, file and terminal.

Lone surrogates can't be written as UTF-8, PostgreSQL refuses NUL, control characters move a
terminal's cursor, and bidirectional overrides let a text look like another one.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["plain", "plain_data", "shortened"]

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# C0 and C1 but for tab and line feed, surrogates, and what Unicode will never assign.
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane + end) for plane in range(0, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF))
    + "]"
)
# Embeddings, overrides and isolates; the marks that Arabic and Hebrew need stay.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Return ``text`` with what can't be kept or shown replaced; line ends become ``\\n``."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _BIDI.sub("", _UNFIT.sub(_REPLACEMENT, text))


def plain_data(data: Any) -> Any:
    """Return ``data``, as JSON has it, with all texts and keys plain."""
    if isinstance(data, str):
        return plain(data)
    if isinstance(data, dict):
        return {plain_data(key): plain_data(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain_data(each) for each in data]
    return data


def shortened(text: str, most: int = 80) -> str:
    """Return ``text`` plain, in one line of at most ``most`` characters, for messages."""
    line = " ".join(plain(text[: 4 * most]).split())
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[: most - 1]}…"
