"""Speech models: the catalogue, what each can do, and fetching them."""

from asr_core.models.allowlist import NOT_OFFERED, ModelAllowlist, enforce_allowlist, read_allowlist
from asr_core.models.cache import cache_dir
from asr_core.models.capabilities import Capabilities, capabilities, check_request
from asr_core.models.catalogue import CATALOGUE, DEFAULT_MODEL, ModelCard
from asr_core.models.fetch import Progress, find_local, resolve

__all__ = [
    "CATALOGUE",
    "DEFAULT_MODEL",
    "NOT_OFFERED",
    "Capabilities",
    "ModelAllowlist",
    "ModelCard",
    "Progress",
    "cache_dir",
    "capabilities",
    "check_request",
    "enforce_allowlist",
    "find_local",
    "read_allowlist",
    "resolve",
]
