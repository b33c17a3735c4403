"""Which models there are, where they come from, and getting them here."""

from asr_core.models.catalogue import CATALOGUE, DEFAULT_MODEL, ModelCard
from asr_core.models.fetch import Progress, cache_dir, find_local, resolve

__all__ = [
    "CATALOGUE",
    "DEFAULT_MODEL",
    "ModelCard",
    "Progress",
    "cache_dir",
    "find_local",
    "resolve",
]
