"""Whether the app is well: a page can be opened, and a model answers."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress

import numpy as np

from asr_core.budget import Resource, process_budget
from asr_core.engines.base import Engine, Window
from asr_core.errors import LimitError

__all__ = ["ModelProbe", "add_page_check", "health", "page_fault"]

_HANGS_S = 60.0
"""Longer than a model takes for any window on any machine that is worth using."""

_PROBE_EVERY_S = 60.0

_PROBE_WINDOW_S = 0.5  # of silence: base takes less than a tenth of a second of one core

_PAGE_DESCRIPTORS = 4
"""That a page takes: one for its WebSocket, up to three for its sound."""

_FRESH_S = 1.0
"""Whoever asks more often gets the last answer again."""


class ModelProbe:
    """Asks a model for the words of a moment of silence, once a minute at most.

    Any thread may call. The model is asked in a thread of its own, so a model that hangs
    costs one thread and nobody's time.

    Args:
        engine: kept alive only while it is asked.
        clock: seconds, monotonic.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = weakref.ref(engine)
        self._clock = clock
        self._lock = threading.Lock()  # guards the three below, never held at the model
        self._asked_at = float("-inf")
        self._is_asked = False
        self._error: BaseException | None = None

    def fault(self) -> str | None:
        """Return what is wrong with the model, from the last answer; None if it is well."""
        with self._lock:
            if self._is_asked and self._clock() - self._asked_at > _HANGS_S:
                return "The model hangs: it has not answered a test for over a minute."
            if self._error is not None:
                return f"The model fails at a test ({type(self._error).__name__})."
            return None

    def ask_if_due(self) -> None:
        """Ask the model now if that was a minute ago; return at once."""
        engine = self._engine()
        with self._lock:
            is_due = self._clock() - self._asked_at >= _PROBE_EVERY_S
            if engine is None or self._is_asked or not is_due or not _is_loaded(engine):
                return
            self._asked_at, self._is_asked = self._clock(), True
        try:
            threading.Thread(target=self._ask, args=[engine], name="asr-probe", daemon=True).start()
        except RuntimeError:  # no thread can start, which health says by itself
            with self._lock:
                self._is_asked = False

    def _ask(self, engine: Engine) -> None:
        error: BaseException | None = None
        try:
            silence = np.zeros(int(_PROBE_WINDOW_S * 16_000), np.float32)
            engine.transcribe([Window(silence, language=next(iter(engine.languages), None))])
        except Exception as failure:
            error = failure
        with self._lock:
            self._is_asked, self._error = False, error


def _is_loaded(engine: Engine) -> bool:
    """Whether its weights are in memory; a test must not bring them back."""
    return bool(getattr(engine, "is_loaded", True))


class _Health:
    """The last answer, and a probe for each model that is loaded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards those below
        self._asked_at = float("-inf")
        self._fault: str | None = None
        self._page_fault: str | None = None
        self._probes: weakref.WeakKeyDictionary[Engine, ModelProbe] = weakref.WeakKeyDictionary()

    def fault(self) -> str | None:
        with self._lock:
            if time.monotonic() - self._asked_at >= _FRESH_S:
                self._page_fault = _page_fault()
                self._fault = self._page_fault or self._model_fault()
                self._asked_at = time.monotonic()
            return self._fault

    def page_fault(self) -> str | None:
        self.fault()
        return self._page_fault

    def _model_fault(self) -> str | None:
        from asr_core.engines.shared import engines
        from asr_core.live.scheduler import schedulers  # which counts its errors in metrics

        running = schedulers()
        if any(scheduler.longest_wait_s() > _HANGS_S for scheduler in running):
            return "The model hangs: somebody has been waiting for their words for over a minute."
        busy = [scheduler.engine for scheduler in running if scheduler.n_sessions]
        known = list(dict.fromkeys([*engines(), *(scheduler.engine for scheduler in running)]))
        for engine in known:
            if engine not in self._probes:
                self._probes[engine] = ModelProbe(engine)
            if engine not in busy:  # those who speak are the better test
                self._probes[engine].ask_if_due()
        return _first(self._probes[engine].fault() for engine in known)


def _first(faults: Iterable[str | None]) -> str | None:
    return next((fault for fault in faults if fault), None)


def _page_fault() -> str | None:
    """Return why no further page can be opened; None if one can."""
    return _first(check() for check in _page_checks)


def _no_descriptors() -> str | None:
    taken: list[int] = []
    try:
        for _ in range(_PAGE_DESCRIPTORS):
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return "The process has no file descriptors left for another page; raise its limit."
    finally:
        for descriptor in taken:
            with suppress(OSError):
                os.close(descriptor)
    return None


def _no_thread() -> str | None:
    try:
        threading.Thread(target=lambda: None, name="asr-health", daemon=True).start()
    except RuntimeError:
        return "The process can start no further thread; raise its limit, or give it more memory."
    return None


def _no_connection() -> str | None:
    try:
        figures = process_budget().figures()
    except LimitError as error:
        return str(error)
    pages = next(figure for figure in figures if figure.resource == Resource.CONNECTIONS)
    if pages.used < pages.total:
        return None
    return f"All {pages.total:.0f} connections for pages are in use."


_page_checks: list[Callable[[], str | None]] = [_no_descriptors, _no_thread, _no_connection]

_process = _Health()


def add_page_check(check: Callable[[], str | None]) -> None:
    """Have ``check`` asked, too, whether a page can be opened; any thread may call it."""
    _page_checks.append(check)


def health() -> str | None:
    """Return what is wrong, a sentence for whoever runs the app; None if it is well.

    Any thread may call; returns at once, and looks again once a second at most. Says whether
    a page can be opened (descriptors, threads, the budget for connections) and a model answers:
    to those who speak, or else, once a minute, to half a second of silence.
    """
    return _process.fault()


def page_fault() -> str | None:
    """Return why no page can be opened; None if one can. As ``health``, without the models."""
    return _process.page_fault()
