"""Registry of this process's engines: each model loaded once, unloaded when idle.

A caller keeps a :class:`SharedEngine` for as long as it likes: the weights may be unloaded
while nobody uses them, to make room for another model, and are loaded again by the next call.
A page left open holds no memory, and no call meets an engine that is gone.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from asr_core.engines.base import Engine, EngineName, Hypothesis, Window, never_cancelled
from asr_core.errors import LimitError
from asr_core.models.allowlist import enforces_allowlist
from asr_core.models.cache import cached_path, lock_in_use, model_size_bytes
from asr_core.models.catalogue import CATALOGUE
from asr_core.ops.budget import Reservation, Resource, process_budget
from asr_core.ops.malloc import trim_heap

__all__ = ["SharedEngine", "busy_checks", "shared_engine", "shared_engines"]

logger = logging.getLogger(__name__)

_IDLE_S = 10.0
"""Seconds without a call until an engine may be unloaded: a file's next call comes within a
second, and whoever opened a page begins to speak."""

_MEMORY_TIMEOUT_S = 60.0
"""Seconds that a call waits for memory in use elsewhere; by then a file may be done."""

_MEMORY_POLL_S = 0.5

# Memory of a model outside the catalogue: a constant, and a multiple of its 16-bit weights on
# the disk. Measured for int8 on a CPU with tiny.en and base; more than enough for the catalogue.
_BASE_BYTES, _BYTES_PER_STORED_BYTE = 200e6, 1.3

busy_checks: list[Callable[[Engine], bool]] = []
"""Checks asked before an engine is unloaded: True if it serves somebody between two calls."""


class SharedEngine:
    """Engine whose weights are loaded on demand.

    Any thread may call.

    Args:
        directory: of the model; it stays in the cache while its weights are loaded.
        load: returns the engine, loaded and warmed up.
    """

    def __init__(self, directory: Path, load: Callable[[], Engine]) -> None:
        self._directory, self._load = directory, load
        self._n_bytes = estimate_memory_bytes(directory)
        self._lock = threading.Lock()  # guards all below; never held during inference
        self._engine: Engine | None = None
        self._reservation: Reservation | None = None
        self._mark: IO[bytes] | None = None
        self._n_calls = 0
        self._used_at = float("-inf")
        self._n_parallel = self._batch_size = self._background_batch_size = 1
        self._name: EngineName = "onnx"
        self._device = ""
        self._languages: Sequence[str] = ()

    @property
    def n_parallel(self) -> int:
        return self._n_parallel

    @property
    def batch_size(self) -> int:
        return self._batch_size

    @property
    def background_batch_size(self) -> int:
        return self._background_batch_size

    @property
    def name(self) -> EngineName:
        return self._name

    @property
    def device(self) -> str:
        return self._device

    @property
    def languages(self) -> Sequence[str]:
        return self._languages

    @property
    def is_loaded(self) -> bool:
        """True while the weights are in memory."""
        return self._engine is not None

    def detect_language(self, windows: Sequence[Window]) -> tuple[str, float]:
        with self._in_use(_MEMORY_TIMEOUT_S) as engine:
            return engine.detect_language(windows)

    def transcribe(
        self,
        windows: Sequence[Window],
        *,
        background: bool = False,
        check_cancelled: Callable[[], None] = never_cancelled,
    ) -> list[Hypothesis]:
        with self._in_use(_MEMORY_TIMEOUT_S) as engine:
            return engine.transcribe(
                windows, background=background, check_cancelled=check_cancelled
            )

    def ensure_loaded(self) -> None:
        """Load the weights unless they are loaded.

        Raises:
            EngineError: the engine is not installed.
            ModelError: the weights cannot be loaded.
            LimitError: the memory for models is in use.
        """
        with self._in_use(0.0):
            return

    @contextmanager
    def _in_use(self, timeout_s: float) -> Iterator[Engine]:
        """Keep the engine loaded for the length of the block, and yield it."""
        deadline = time.monotonic() + timeout_s
        while (
            engine := self._begin_call() or self._load_once(time.monotonic() >= deadline)
        ) is None:
            time.sleep(_MEMORY_POLL_S)
        try:
            yield engine
        finally:
            with self._lock:
                self._n_calls -= 1
                self._used_at = time.monotonic()

    def _begin_call(self) -> Engine | None:
        with self._lock:
            if self._engine is not None:
                self._n_calls += 1
            return self._engine

    def _load_once(self, is_last_attempt: bool) -> Engine | None:
        """Load the weights and begin a call; None while there is no memory for them."""
        with _loading:
            engine = self._begin_call()  # another thread may have loaded it
            if engine is not None:
                return engine
            try:
                reservation = _reserve_memory(self._n_bytes)
            except LimitError:
                if is_last_attempt:
                    raise
                return None
            try:
                engine = self._load()
            except BaseException:
                if reservation is not None:
                    reservation.release()
                raise
            self._install(engine, reservation)
            return engine

    def _install(self, engine: Engine, reservation: Reservation | None) -> None:
        with self._lock:
            self._engine, self._reservation, self._n_calls = engine, reservation, self._n_calls + 1
            self._mark = lock_in_use(self._directory)
            self._n_parallel, self._batch_size = engine.n_parallel, engine.batch_size
            self._background_batch_size = engine.background_batch_size
            self._name, self._device = engine.name, engine.device
            self._languages = engine.languages

    def unload(self) -> bool:
        """Free the weights if nobody uses the engine; return whether it did."""
        with self._lock:
            idle_s = time.monotonic() - self._used_at
            if self._engine is None or self._n_calls or idle_s < _IDLE_S:
                return False
            if any(is_busy(self) for is_busy in busy_checks):
                return False
            self._engine = None
            reservation, mark = self._reservation, self._mark
            self._reservation = self._mark = None
        gc.collect()  # sessions and their graphs refer to one another
        trim_heap()
        if mark is not None:
            mark.close()
        if reservation is not None:
            reservation.release()
        logger.info("The model %s was unloaded to make room for another one", self._directory.name)
        return True


def estimate_memory_bytes(directory: Path) -> float:
    """Return the memory that the model in ``directory`` needs: the catalogue's, or by its size."""
    card = next((c for c in CATALOGUE.values() if cached_path(c.name).resolve() == directory), None)
    if card is not None:
        return card.memory_mb * 1e6
    return _BASE_BYTES + _BYTES_PER_STORED_BYTE * model_size_bytes(directory)


def _reserve_memory(n_bytes: float) -> Reservation | None:
    """Reserve memory for a model, unloading others, the longest unused first.

    None on the command line if the model needs more than there is: its user may know better.

    Raises:
        LimitError: the memory is in use.
    """
    budget = process_budget()
    while True:
        try:
            return budget.reserve(Resource.MODELS, n_bytes)
        except LimitError:
            by_age = sorted(shared_engines(), key=lambda engine: engine._used_at)
            if any(engine.unload() for engine in by_age):
                continue
            if enforces_allowlist():
                raise
            return None


_registry_lock = threading.Lock()  # guards the registry
_registry: dict[Hashable, SharedEngine] = {}
_loading = threading.Lock()  # one model is loaded at a time


def shared_engines() -> list[SharedEngine]:
    """Return all engines of this process, loaded or not; any thread may call."""
    with _registry_lock:
        return list(_registry.values())


def shared_engine(key: Hashable, directory: Path, load: Callable[[], Engine]) -> SharedEngine:
    """Return the one engine of ``key`` in this process; any thread may call.

    ``load`` is called when its weights are needed.
    """
    with _registry_lock:
        if key not in _registry:
            _registry[key] = SharedEngine(directory, load)
        return _registry[key]
