"""Texts from outside (names, transcripts, tags), shown as they are."""

from __future__ import annotations

import re

from asr_core.text.plain_text import sanitise

__all__ = ["escape_markdown"]


def escape_markdown(text: str) -> str:
    """``text`` for a place that reads Markdown: nothing in it is a link, image or style."""
    line = " ".join(sanitise(text).split())
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~:$&])", r"\\\1", line)
