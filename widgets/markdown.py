"""Escaping of untrusted text (names, transcripts, tags) in Markdown."""

from __future__ import annotations

import re

from asr_core.text.plain_text import sanitise

__all__ = ["escape_markdown"]


def escape_markdown(text: str) -> str:
    """Return ``text`` with everything escaped that Markdown would interpret."""
    line = " ".join(sanitise(text).split())
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~:$&])", r"\\\1", line)
