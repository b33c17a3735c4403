"""Lists of names and terms, as people type or paste them."""

from __future__ import annotations

import re

__all__ = ["MAX_TERMS", "parse_terms"]

MAX_TERMS = 300
"""Names and terms that an engine takes; more would slow down each step of the decoder."""

_SEPARATORS = re.compile(r"[,;\n\r\t\u3001\uff0c\uff1b]+")


def parse_terms(text: str) -> tuple[str, ...]:
    """Return the terms of a list with commas, semicolons or line breaks between them, each once."""
    terms = (" ".join(part.split()) for part in _SEPARATORS.split(text))
    return tuple(dict.fromkeys(term for term in terms if term))
