"""The store of this machine, as the environment says."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import sqlalchemy as sa

from asr_core.errors import StoreError
from asr_core.testbench.store.store import DEFAULT_MAX_MB, Store

__all__ = ["open_store"]

_opening = threading.Lock()
_stores: dict[tuple[str, Path], Store] = {}


def open_store() -> Store:
    """The store of this machine, in nobody's hands yet (see ``Store.acting``).

    Any thread may call. ``ASR_TESTBENCH_DIR`` is its folder (default:
    ``~/.local/share/asr_core/testbench``), ``ASR_TESTBENCH_URL`` a database elsewhere (any
    URL of SQLAlchemy), ``ASR_TESTBENCH_MAX_MB`` how much audio it holds (default: 2048).

    Raises:
        StoreError: it cannot be opened.
    """
    default = Path.home() / ".local" / "share" / "asr_core" / "testbench"
    folder = Path(os.environ.get("ASR_TESTBENCH_DIR") or default)
    # Not written as a text, in which ?, # and % have a meaning.
    beside = sa.URL.create("sqlite", database=str(folder / "testbench.db"))
    url = os.environ.get("ASR_TESTBENCH_URL") or beside
    try:
        max_mb = float(os.environ.get("ASR_TESTBENCH_MAX_MB") or DEFAULT_MAX_MB)
        folder.mkdir(parents=True, exist_ok=True)
    except ValueError:
        raise StoreError("ASR_TESTBENCH_MAX_MB is no number; set it to megabytes.") from None
    except OSError as error:
        raise StoreError(
            f"The folder of the test bench cannot be made ({error.strerror}); set "
            "ASR_TESTBENCH_DIR to another one."
        ) from None
    with _opening:
        key = (str(url), folder)
        if key not in _stores:
            _stores[key] = Store(url, folder / "audio", max_mb)
        return _stores[key]
