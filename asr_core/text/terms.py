"""Lists of names and terms, as people type or paste them."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["MAX_TERMS", "check_number", "parse_terms"]

MAX_TERMS = 300
"""Names and terms that an engine takes; more would slow down each step of the decoder."""

_SEPARATORS = re.compile(r"[,;\n\r\t\u3001\uff0c\uff1b]+")


def parse_terms(text: str) -> tuple[str, ...]:
    """Return the terms of a list with commas, semicolons or line breaks between them, each once."""
    terms = (" ".join(part.split()) for part in _SEPARATORS.split(text))
    return tuple(dict.fromkeys(term for term in terms if term))


def check_number(terms: Sequence[str]) -> tuple[str, ...]:
    """Return the terms.

    Raises:
        ValueError: there are too many.
    """
    if len(terms) > MAX_TERMS:
        raise ValueError(f"{len(terms)} terms are too many; give at most {MAX_TERMS}")
    return tuple(terms)
