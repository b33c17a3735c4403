"""Which models visitors may use: the list of whoever runs the app, ``ASR_MODELS``.

The command line's user is whoever runs it, and may use any. A process that serves
visitors says so once, with ``serve_visitors``; from then on every model that anybody
in it asks for, by whatever way, is held to the list.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr_core.budget import Resource, process_budget
from asr_core.errors import ModelError
from asr_core.models.cache import cached_path
from asr_core.models.catalogue import CATALOGUE, DEFAULT_MODEL
from asr_core.models.lock import locked_names
from asr_core.models.names import is_path

__all__ = [
    "NOT_OFFERED",
    "Offer",
    "may_trust_new",
    "meant",
    "offer",
    "serve_visitors",
    "serves_visitors",
]

_ANY = "*"

NOT_OFFERED = "This server does not offer that model; choose one from its list."
"""Says nothing of whether there is such a model, repository or folder."""


@dataclass(frozen=True)
class Offer:
    """The models that visitors may use.

    Attributes:
        names: as visitors see them: catalogue names, hub ids, the last part of a directory.
        is_open: any other hub id and directory, too.
        places: the directories behind names.
    """

    names: tuple[str, ...]
    is_open: bool = False
    places: Mapping[str, str] = field(default_factory=dict)

    def meant(self, name: str) -> str:
        """Return the catalogue name, hub id or directory that a visitor calls ``name``.

        Raises:
            ModelError: it is not offered; in the same words for whatever there is or is not.
        """
        if not self.is_open and name not in self.names:
            raise ModelError(NOT_OFFERED)
        return self.places.get(name, name)


def offer(settings: Mapping[str, str] = os.environ) -> Offer:
    """Read ``ASR_MODELS``: names, hub ids and directories, with commas between them.

    ``*`` among them offers everything, for an app whose only visitor is who runs it. Without
    the setting, these are the models of the catalogue that fit into the memory for models
    (``ASR_MAX_MODELS_MB``), and those that are in the cache already.

    Raises:
        LimitError, ModelError: a setting is unreadable.
    """
    listed = [name.strip() for name in settings.get("ASR_MODELS", "").split(",")]
    named = [name for name in listed if name and name != _ANY]
    if not named:
        named = [*_fitting(), *(name for name in locked_names() if cached_path(name).is_dir())]
    places: dict[str, str] = {}
    names: list[str] = []
    for name in dict.fromkeys(named):
        if is_path(name):
            shown = _unlike(names, Path(name).expanduser().name or name)
            places[shown] = name
            names.append(shown)
        else:
            names.append(name)
    return Offer(tuple(names), _ANY in listed, places)


def _unlike(others: Sequence[str], name: str) -> str:
    """``name``, or with a number after it where another one has it."""
    taken = {*others, *CATALOGUE}
    numbered = (f"{name} ({n})" for n in itertools.count(2))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def _fitting() -> list[str]:
    figures = process_budget().figures()
    most = next(figure.total for figure in figures if figure.resource is Resource.MODELS)
    return [
        card.name
        for card in CATALOGUE.values()
        if card.name == DEFAULT_MODEL
        or card.memory_mb * 1e6 <= most
        or cached_path(card.name).is_dir()
    ]


_serving = threading.Event()


def serve_visitors() -> None:
    """Hold this process to the list from now on. Any thread may call."""
    _serving.set()


def serves_visitors() -> bool:
    """Whether this process is held to the list."""
    return _serving.is_set()


def meant(model: str) -> str:
    """Return what a name stands for in this process.

    Raises:
        ModelError: it serves visitors, and ``model`` is not offered to them.
    """
    return offer().meant(model) if _serving.is_set() else model


def may_trust_new() -> bool:
    """Whether a repository that nobody pinned may be fetched, and is trusted from then on."""
    return not _serving.is_set() or offer().is_open
