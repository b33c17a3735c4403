"""Model names: a catalogue name, a hub id, or a directory."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from pathlib import Path

from asr_core.errors import ModelError
from asr_core.models.catalogue import CATALOGUE

__all__ = ["hub_repo", "is_path"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_MAX_SHOWN_CHARS = 100  # of an unknown name


def is_path(model: str) -> bool:
    """Return True if ``model`` is the path of a directory, existing or not.

    Raises:
        ModelError: it is not a possible path: too long, or in an unknown home directory.
    """
    if model in CATALOGUE:
        return False
    if model.startswith((".", "~", "/", os.sep)) or model.count("/") > 1 or "\\" in model:
        try:
            Path(model).expanduser().is_dir()
        except (OSError, RuntimeError):
            raise ModelError("That is no directory; check the path.") from None
        return True
    try:
        return Path(model).is_dir()
    except OSError:
        return False


def hub_repo(model: str) -> str:
    """Return the hub id of a catalogue name, or ``model`` itself if it is a hub id.

    Raises:
        ModelError: it is neither.
    """
    if model in CATALOGUE:
        return CATALOGUE[model].repo
    if _HUB_ID.fullmatch(model) and "--" not in model and ".." not in model:
        return model
    shown = model[:_MAX_SHOWN_CHARS]
    close = get_close_matches(shown, CATALOGUE, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ModelError(
        f"There is no model called {shown!r}; {hint}The known ones are "
        f"{', '.join(CATALOGUE)}; a hub id (owner/name) or a directory will do too."
    )
