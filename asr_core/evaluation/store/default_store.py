"""Store that the environment variables configure."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import sqlalchemy as sa

from asr_core.errors import StoreError
from asr_core.evaluation.store.store import DEFAULT_MAX_MB, Store

__all__ = ["open_store"]

_opening = threading.Lock()
_stores: dict[tuple[str, Path], Store] = {}


def open_store() -> Store:
    """Return the store of this machine, acting for nobody yet (see ``Store.acting``).

    Any thread may call. ``ASR_TESTBENCH_DIR`` is its folder (default:
    ``~/.local/share/asr_core/testbench``), ``ASR_TESTBENCH_URL`` a database elsewhere (any
    URL of SQLAlchemy), ``ASR_TESTBENCH_MAX_MB`` the limit of its audio (default: 2048).

    Raises:
        StoreError: it cannot be opened.
    """
    default = Path.home() / ".local" / "share" / "asr_core" / "testbench"
    folder = Path(os.environ.get("ASR_TESTBENCH_DIR") or default)
    # Not as text, in which ?, # and % have a meaning.
    beside = sa.URL.create("sqlite", database=str(folder / "testbench.db"))
    url = os.environ.get("ASR_TESTBENCH_URL") or beside
    try:
        max_mb = float(os.environ.get("ASR_TESTBENCH_MAX_MB") or DEFAULT_MAX_MB)
        folder.mkdir(parents=True, exist_ok=True)
    except ValueError:
        raise StoreError("ASR_TESTBENCH_MAX_MB is not a number; set it to megabytes.") from None
    except OSError as error:
        raise StoreError(
            f"The folder of the test bench cannot be created ({error.strerror}); set "
            "ASR_TESTBENCH_DIR to another one."
        ) from None
    with _opening:
        key = (str(url), folder)
        if key not in _stores:
            _stores[key] = Store(url, folder / "audio", max_mb)
        return _stores[key]
