"""Which models there are, where they come from, and getting them here."""

from asr_core.models.abilities import Abilities, abilities, check_request
from asr_core.models.allowed import NOT_OFFERED, Offer, offer, serve_visitors
from asr_core.models.cache import cache_dir
from asr_core.models.catalogue import CATALOGUE, DEFAULT_MODEL, ModelCard
from asr_core.models.fetch import Progress, find_local, resolve

__all__ = [
    "CATALOGUE",
    "DEFAULT_MODEL",
    "NOT_OFFERED",
    "Abilities",
    "ModelCard",
    "Offer",
    "Progress",
    "abilities",
    "cache_dir",
    "check_request",
    "find_local",
    "offer",
    "resolve",
    "serve_visitors",
]
