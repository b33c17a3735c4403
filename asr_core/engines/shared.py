"""Engines that all callers share, and that are put away when others need their memory.

Who has a :class:`SharedEngine` keeps it for as long as they like: its weights may go while
nobody uses it, and come back with the next call. So a page that is open and forgotten holds
no memory, and no call meets an engine that is gone.
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

from asr_core.budget import Hold, Resource, process_budget
from asr_core.engines.base import Engine, EngineName, Hypothesis, Window, nothing
from asr_core.errors import LimitError
from asr_core.memory import give_back
from asr_core.models.allowed import serves_visitors
from asr_core.models.cache import cached_path, mark_in_use, size_bytes
from asr_core.models.catalogue import CATALOGUE

__all__ = ["SharedEngine", "busy_checks", "engines", "shared"]

logger = logging.getLogger(__name__)

_IDLE_S = 10.0
"""So long after its last call an engine may be put away: a file's next call comes within a
second, and who opened a page begins to speak."""

_PATIENCE_S = 60.0
"""A call waits so long for the memory that others use before it fails: a file's job or a take
may be over by then."""

_LOOK_S = 0.5

_FIXED_BYTES, _TIMES = 200e6, 1.3
"""In memory a model takes so much, and so many times its 16-bit weights on the disk: between
tiny.en and base, measured (int8, CPU), and more than enough for what the catalogue tells."""

busy_checks: list[Callable[[Engine], bool]] = []
"""Asked before an engine is put away: whether it serves somebody who does not call just now."""


class SharedEngine:
    """An :class:`~asr_core.engines.base.Engine` whose weights come and go.

    Args:
        directory: of the model; not evicted from the cache while its weights are loaded.
        load: makes the engine.
    """

    def __init__(self, directory: Path, load: Callable[[], Engine]) -> None:
        self._directory, self._load = directory, load
        self._amount = memory_bytes(directory)
        self._lock = threading.Lock()  # guards those below, never held at the model
        self._engine: Engine | None = None
        self._hold: Hold | None = None
        self._mark: IO[bytes] | None = None
        self._n_calls = 0
        self._used_at = float("-inf")
        self._n_parallel = self._batch_size = self._patient_batch_size = 1
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
    def patient_batch_size(self) -> int:
        return self._patient_batch_size

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
        return self._engine is not None

    def detect_language(self, windows: Sequence[Window]) -> tuple[str, float]:
        with self._in_use(_PATIENCE_S) as engine:
            return engine.detect_language(windows)

    def transcribe(
        self,
        windows: Sequence[Window],
        *,
        patient: bool = False,
        between_steps: Callable[[], None] = nothing,
    ) -> list[Hypothesis]:
        with self._in_use(_PATIENCE_S) as engine:
            return engine.transcribe(windows, patient=patient, between_steps=between_steps)

    def prepare(self) -> None:
        """Have the weights loaded; does nothing if they are.

        Raises:
            EngineError, ModelError: they cannot be loaded.
            LimitError: others use the memory that there is for models.
        """
        with self._in_use(0.0):
            return

    @contextmanager
    def _in_use(self, patience_s: float) -> Iterator[Engine]:
        deadline = time.monotonic() + patience_s
        while (engine := self._begin() or self._loaded(time.monotonic() >= deadline)) is None:
            time.sleep(_LOOK_S)
        try:
            yield engine
        finally:
            with self._lock:
                self._n_calls -= 1
                self._used_at = time.monotonic()

    def _begin(self) -> Engine | None:
        with self._lock:
            if self._engine is not None:
                self._n_calls += 1
            return self._engine

    def _loaded(self, is_last_try: bool) -> Engine | None:
        """Load and begin a call; None if there is no room yet."""
        with _loading:
            engine = self._begin()  # another thread may have loaded it
            if engine is not None:
                return engine
            try:
                hold = _room(self._amount)
            except LimitError:
                if is_last_try:
                    raise
                return None
            try:
                engine = self._load()
            except BaseException:
                if hold is not None:
                    hold.release()
                raise
            self._begin_with(engine, hold)
            return engine

    def _begin_with(self, engine: Engine, hold: Hold | None) -> None:
        with self._lock:
            self._engine, self._hold, self._n_calls = engine, hold, self._n_calls + 1
            self._mark = mark_in_use(self._directory)
            self._n_parallel, self._batch_size = engine.n_parallel, engine.batch_size
            self._patient_batch_size = engine.patient_batch_size
            self._name, self._device = engine.name, engine.device
            self._languages = engine.languages

    def put_away(self) -> bool:
        """Free the weights if nobody uses the engine; whether it did."""
        with self._lock:
            idle_s = time.monotonic() - self._used_at
            if self._engine is None or self._n_calls or idle_s < _IDLE_S:
                return False
            if any(is_busy(self) for is_busy in busy_checks):
                return False
            self._engine = None
            hold, mark = self._hold, self._mark
            self._hold = self._mark = None
        gc.collect()  # sessions and their graphs refer to one another
        give_back()
        if mark is not None:
            mark.close()
        if hold is not None:
            hold.release()
        logger.info("The model %s was put away for another", self._directory.name)
        return True


def memory_bytes(directory: Path) -> float:
    """Return what the model in ``directory`` takes in memory: of the catalogue, or by its size."""
    card = next((c for c in CATALOGUE.values() if cached_path(c.name).resolve() == directory), None)
    if card is not None:
        return card.memory_mb * 1e6
    return _FIXED_BYTES + _TIMES * size_bytes(directory)


def _room(amount: float) -> Hold | None:
    """A hold on memory for a model; others are put away for it, the longest unused first.

    None on the command line if it takes more than there is: its user may know better.

    Raises:
        LimitError: others use what there is.
    """
    budget = process_budget()
    while True:
        try:
            return budget.take(Resource.MODELS, amount)
        except LimitError:
            loaded = sorted(engines(), key=lambda engine: engine._used_at)
            if any(engine.put_away() for engine in loaded):
                continue
            if serves_visitors():
                raise
            return None


_making = threading.Lock()  # guards the one below
_shared: dict[Hashable, SharedEngine] = {}
_loading = threading.Lock()  # one model at a time


def engines() -> list[SharedEngine]:
    """All of this process, loaded or not. Any thread may call."""
    with _making:
        return list(_shared.values())


def shared(key: Hashable, directory: Path, load: Callable[[], Engine]) -> SharedEngine:
    """The one engine of ``key`` in this process; ``load`` is called when its weights are needed.
    Any thread may call."""
    with _making:
        if key not in _shared:
            _shared[key] = SharedEngine(directory, load)
        return _shared[key]
