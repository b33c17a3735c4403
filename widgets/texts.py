"""Texts from outside (names, transcripts, tags), shown as they are."""

from __future__ import annotations

import re

from asr_core.plain_text import plain

__all__ = ["as_written"]


def as_written(text: str) -> str:
    """``text`` for a place that reads Markdown: nothing in it is a link, image or style."""
    line = " ".join(plain(text).split())
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~:$&])", r"\\\1", line)
