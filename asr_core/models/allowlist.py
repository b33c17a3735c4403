"""Models that visitors may use: the operator's list, ``ASR_MODELS``.

The user of the command line is the operator and may use any model. A process that serves visitors
calls ``enforce_allowlist`` once; from then on every model name in it is checked against the list.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr_core.errors import ModelError
from asr_core.models.cache import cached_path
from asr_core.models.catalogue import CATALOGUE, DEFAULT_MODEL
from asr_core.models.lock_file import pinned_names
from asr_core.models.names import is_path
from asr_core.ops.budget import Resource, process_budget
from asr_core.settings import read_settings

__all__ = [
    "NOT_OFFERED",
    "ModelAllowlist",
    "enforce_allowlist",
    "enforces_allowlist",
    "may_trust_unpinned",
    "read_allowlist",
    "resolve_alias",
]

_ANY = "*"

NOT_OFFERED = "This server does not offer that model; choose one from its list."
"""Reveals nothing about which models, repositories or folders exist."""


@dataclass(frozen=True)
class ModelAllowlist:
    """Models that visitors may use.

    Attributes:
        names: as visitors see them: catalogue names, hub ids, last parts of directories.
        is_open: any other hub id and directory is allowed as well.
        directories: paths of the names that stand for a directory.
    """

    names: tuple[str, ...]
    is_open: bool = False
    directories: Mapping[str, str] = field(default_factory=dict)

    def resolve_alias(self, name: str) -> str:
        """Return the catalogue name, hub id or directory that ``name`` stands for.

        Raises:
            ModelError: it is not allowed; in the same words whether it exists or not.
        """
        if not self.is_open and name not in self.names:
            raise ModelError(NOT_OFFERED)
        return self.directories.get(name, name)


def read_allowlist() -> ModelAllowlist:
    """Return the list in ``ASR_MODELS``: names, hub ids and directories separated by commas.

    ``*`` among them allows everything, for an app used by its operator only. Without the setting
    these are the catalogue models that fit the memory for models (``ASR_MAX_MODEL_MEMORY_MB``)
    and all models in the cache.

    Raises:
        SettingsError: a setting is not valid.
        ModelError: a directory is in the home of a user that does not exist.
    """
    entries = read_settings().models or ()
    models = [name for name in entries if name != _ANY]
    if not models:
        models = [
            *_models_that_fit(),
            *(name for name in pinned_names() if cached_path(name).is_dir()),
        ]
    directories: dict[str, str] = {}
    names: list[str] = []
    for name in dict.fromkeys(models):
        if is_path(name):
            shown = _unique_name(names, Path(name).expanduser().name or name)
            directories[shown] = name
            names.append(shown)
        else:
            names.append(name)
    return ModelAllowlist(tuple(names), _ANY in entries, directories)


def _unique_name(names: Sequence[str], name: str) -> str:
    """Return ``name``, with a number appended if it is taken."""
    taken = {*names, *CATALOGUE}
    numbered = (f"{name} ({n})" for n in itertools.count(2))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def _models_that_fit() -> list[str]:
    figures = process_budget().usage()
    max_bytes = next(figure.total for figure in figures if figure.resource is Resource.MODELS)
    return [
        card.name
        for card in CATALOGUE.values()
        if card.name == DEFAULT_MODEL
        or card.memory_mb * 1e6 <= max_bytes
        or cached_path(card.name).is_dir()
    ]


_serving = threading.Event()


def enforce_allowlist() -> None:
    """Restrict this process to the list from now on. Any thread may call."""
    _serving.set()


def enforces_allowlist() -> bool:
    """Return True if this process is restricted to the list."""
    return _serving.is_set()


def resolve_alias(model: str) -> str:
    """Return the catalogue name, hub id or directory that ``model`` stands for in this process.

    Raises:
        ModelError: the process is restricted, and ``model`` is not allowed.
    """
    return read_allowlist().resolve_alias(model) if _serving.is_set() else model


def may_trust_unpinned() -> bool:
    """Return True if a repository without a pin may be fetched and pinned."""
    return not _serving.is_set() or read_allowlist().is_open
