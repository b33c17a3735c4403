"""Store that the settings name."""

from __future__ import annotations

import threading
from pathlib import Path

import sqlalchemy as sa

from asr_core.errors import StoreError
from asr_core.evaluation.store.store import Store
from asr_core.settings import read_settings

__all__ = ["open_store"]

_opening = threading.Lock()
_stores: dict[tuple[str, Path], Store] = {}


def open_store() -> Store:
    """Return the store of this machine, acting for nobody yet (see ``Store.acting``).

    Any thread may call.

    Raises:
        SettingsError: a setting is not valid.
        StoreError: it cannot be opened.
    """
    chosen = read_settings()
    folder = chosen.testbench_dir or Path.home() / ".local" / "share" / "asr_core" / "testbench"
    # Not as text, in which ?, # and % have a meaning.
    url = chosen.testbench_url or sa.URL.create("sqlite", database=str(folder / "testbench.db"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder of the test bench cannot be created ({error.strerror}); set "
            "ASR_TESTBENCH_DIR to another one."
        ) from None
    with _opening:
        key = (str(url), folder)
        if key not in _stores:
            _stores[key] = Store(url, folder / "audio", chosen.testbench_max_mb)
        return _stores[key]
