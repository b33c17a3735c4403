"""Texts from outside (names, transcripts, tags), shown as they are."""

from __future__ import annotations

import re

__all__ = ["as_written"]


def as_written(text: str) -> str:
    """``text`` for a place that reads Markdown: nothing in it is a link, image or style."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~:$&])", r"\\\1", " ".join(text.split()))
