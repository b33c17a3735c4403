"""Health checks: pages can be opened, and models respond."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress

import numpy as np

from asr_core.engines.base import Engine, Window
from asr_core.errors import SettingsError
from asr_core.ops.budget import Resource, process_budget

__all__ = ["ModelProbe", "add_page_check", "health", "page_fault"]

_HANG_TIMEOUT_S = 60.0
"""Longer than any window takes on any usable machine."""

_PROBE_INTERVAL_S = 60.0

_PROBE_WINDOW_S = 0.5  # of silence, under 0.1 s on one core with base

_PAGE_DESCRIPTORS = 4
"""File descriptors of a page: one for its WebSocket, up to three for its audio."""

_CACHE_S = 1.0
"""Time for which a result is reused."""


class ModelProbe:
    """Check of a model with a moment of silence, at most once a minute.

    Any thread may call. The model runs in a separate thread, so a hanging model costs one
    thread and delays nobody.

    Args:
        engine: referenced weakly between probes.
        clock: monotonic clock, seconds.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = weakref.ref(engine)
        self._clock = clock
        self._lock = threading.Lock()  # guards the three below, not held while the model runs
        self._started_at = float("-inf")
        self._is_running = False
        self._error: BaseException | None = None

    def fault(self) -> str | None:
        """Return what is wrong with the model by the last probe, or None."""
        with self._lock:
            if self._is_running and self._clock() - self._started_at > _HANG_TIMEOUT_S:
                return "The model hangs: it has not answered a test for over a minute."
            if self._error is not None:
                return f"The model fails a test ({type(self._error).__name__})."
            return None

    def start_if_due(self) -> None:
        """Start a probe if the last one was a minute ago; return at once."""
        engine = self._engine()
        with self._lock:
            is_due = self._clock() - self._started_at >= _PROBE_INTERVAL_S
            if engine is None or self._is_running or not is_due or not _is_loaded(engine):
                return
            self._started_at, self._is_running = self._clock(), True
        try:
            threading.Thread(target=self._run, args=[engine], name="asr-probe", daemon=True).start()
        except RuntimeError:  # no thread can start, which a page check reports
            with self._lock:
                self._is_running = False

    def _run(self, engine: Engine) -> None:
        error: BaseException | None = None
        try:
            silence = np.zeros(int(_PROBE_WINDOW_S * 16_000), np.float32)
            engine.transcribe([Window(silence, language=next(iter(engine.languages), None))])
        except Exception as failure:
            error = failure
        with self._lock:
            self._is_running, self._error = False, error


def _is_loaded(engine: Engine) -> bool:
    """Return whether the weights are in memory; a probe must not reload them."""
    return bool(getattr(engine, "is_loaded", True))


class _Health:
    """Last result, and a probe for each loaded model."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards those below
        self._checked_at = float("-inf")
        self._fault: str | None = None
        self._page_fault: str | None = None
        self._probes: weakref.WeakKeyDictionary[Engine, ModelProbe] = weakref.WeakKeyDictionary()

    def fault(self) -> str | None:
        with self._lock:
            if time.monotonic() - self._checked_at >= _CACHE_S:
                self._page_fault = _page_fault()
                self._fault = self._page_fault or self._model_fault()
                self._checked_at = time.monotonic()
            return self._fault

    def page_fault(self) -> str | None:
        self.fault()
        return self._page_fault

    def _model_fault(self) -> str | None:
        from asr_core.engines.registry import shared_engines
        from asr_core.streaming.scheduler import schedulers  # which counts its errors in metrics

        running = schedulers()
        if any(scheduler.max_wait_s() > _HANG_TIMEOUT_S for scheduler in running):
            return "The model hangs: somebody has been waiting for words for over a minute."
        busy = [scheduler.engine for scheduler in running if scheduler.n_sessions]
        known = list(
            dict.fromkeys([*shared_engines(), *(scheduler.engine for scheduler in running)])
        )
        for engine in known:
            if engine not in self._probes:
                self._probes[engine] = ModelProbe(engine)
            if engine not in busy:  # live sessions are the better test
                self._probes[engine].start_if_due()
        return _first(self._probes[engine].fault() for engine in known)


def _first(faults: Iterable[str | None]) -> str | None:
    return next((fault for fault in faults if fault), None)


def _page_fault() -> str | None:
    """Return why no further page can be opened, or None."""
    return _first(check() for check in _page_checks)


def _check_descriptors() -> str | None:
    opened: list[int] = []
    try:
        for _ in range(_PAGE_DESCRIPTORS):
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return "The process has no file descriptors left for another page; raise its limit."
    finally:
        for descriptor in opened:
            with suppress(OSError):
                os.close(descriptor)
    return None


def _check_threads() -> str | None:
    try:
        threading.Thread(target=lambda: None, name="asr-health", daemon=True).start()
    except RuntimeError:
        return "The process can start no further thread; raise its limit, or give it more memory."
    return None


def _check_connections() -> str | None:
    try:
        usage = process_budget().usage()
    except SettingsError as error:
        return str(error)
    pages = next(each for each in usage if each.resource == Resource.CONNECTIONS)
    if pages.used < pages.total:
        return None
    return f"All {pages.total:.0f} connections for pages are in use."


_page_checks: list[Callable[[], str | None]] = [
    _check_descriptors,
    _check_threads,
    _check_connections,
]

_process = _Health()


def add_page_check(check: Callable[[], str | None]) -> None:
    """Add a check that returns why no page can be opened, or None; called in any thread."""
    _page_checks.append(check)


def health() -> str | None:
    """Return what is wrong, as a sentence for the operator; None if all is well.

    Checks whether a page can be opened (descriptors, threads, connections) and whether the
    models respond, to live sessions or else, once a minute, to half a second of silence.
    Returns at once, with a result at most a second old. Any thread may call.
    """
    return _process.fault()


def page_fault() -> str | None:
    """Return why no page can be opened, or None; like ``health`` without the models."""
    return _process.page_fault()
