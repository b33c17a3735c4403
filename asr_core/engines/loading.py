"""Choice of an engine for this machine, and loading of models.

``_LOADERS`` lists every engine. Loaded models are kept in :mod:`asr_core.engines.registry`.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from asr_core.engines.base import Engine, EngineName
from asr_core.engines.registry import shared_engine
from asr_core.errors import AsrError, EngineError, ModelError
from asr_core.ops.malloc import trim_heap

__all__ = ["choose_engine", "load_engine"]


def choose_engine(wanted: EngineName | Literal["auto"] = "auto") -> EngineName:
    """Return the engine to use; for ``"auto"`` the fastest on this machine.

    That is ONNX Runtime on a CPU, and torch or else CTranslate2 on a GPU. The operating system
    is asked first, so that nothing heavy is imported where there is no GPU.

    Raises:
        EngineError: ``"transformers"`` is wanted but not installed.
    """
    has_torch = importlib.util.find_spec("torch") and importlib.util.find_spec("transformers")
    if wanted == "transformers" and not has_torch:
        raise EngineError(
            "The transformers engine is not installed; run pip install -r requirements-torch.txt, "
            "or choose the engine onnx."
        )
    if wanted != "auto":
        return wanted
    if sys.platform == "darwin":
        return "transformers" if has_torch and platform.machine() == "arm64" else "onnx"
    if shutil.which("nvidia-smi") is None and not Path("/dev/nvidia0").exists():
        return "onnx"
    return "transformers" if has_torch and _torch_has_cuda() else _without_torch()


def _torch_has_cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _without_torch() -> EngineName:
    import ctranslate2

    return "ctranslate2" if ctranslate2.get_cuda_device_count() > 0 else "onnx"


def load_engine(
    directory: Path,
    engine: EngineName | Literal["auto"] = "auto",
    *,
    n_threads: int | None = None,
    batch_size: int | None = None,
    live: bool = False,
) -> Engine:
    """Return the model in ``directory``, warmed up; loaded once and shared by all callers.

    Any thread may call; a second caller waits while the first one loads. Where memory is short,
    idle models are unloaded for this one; their next call loads them again.

    Args:
        directory: of the model, in transformers or CTranslate2 format.
        engine: which one; ``"auto"`` for the fastest on this machine.
        n_threads: cores to use; None for all.
        batch_size: windows of a file to decode together; None for the engine's own choice.
        live: people speak while files are transcribed. ONNX Runtime then decodes the windows of
            a file one by one, so that speakers wait half as long for a worker; that saves 70 MB
            (base, two cores), and files take a tenth longer. The first caller decides.

    Raises:
        EngineError: the engine is not installed.
        LimitError: the memory for models is in use.
        ModelError: the model cannot be loaded.
    """
    name = choose_engine(engine)
    directory = directory.resolve()
    options = _LoadOptions(n_threads, batch_size, live)
    key = (name, directory, n_threads, batch_size)
    shared = shared_engine(key, directory, lambda: _load(name, directory, options))
    shared.ensure_loaded()
    return shared


class _WarmableEngine(Engine, Protocol):
    def warm_up(self) -> None: ...


@dataclass(frozen=True)
class _LoadOptions:
    """Options of :func:`load_engine`, as the loaders get them."""

    n_threads: int | None
    batch_size: int | None
    live: bool


def _load_onnx(directory: Path, options: _LoadOptions) -> _WarmableEngine:
    from asr_core.engines.onnx.engine import OnnxEngine
    from asr_core.models.ctranslate2_format import ensure_ctranslate2

    return OnnxEngine(
        ensure_ctranslate2(directory),
        n_threads=options.n_threads,
        batch_size=options.batch_size,
        live=options.live,
    )


def _load_ctranslate2(directory: Path, options: _LoadOptions) -> _WarmableEngine:
    from asr_core.engines.ctranslate2 import CTranslate2Engine
    from asr_core.models.ctranslate2_format import ensure_ctranslate2

    return CTranslate2Engine(
        ensure_ctranslate2(directory), n_threads=options.n_threads, batch_size=options.batch_size
    )


def _load_transformers(directory: Path, options: _LoadOptions) -> _WarmableEngine:
    from asr_core.engines.torch.engine import TransformersEngine

    return TransformersEngine(directory, n_threads=options.n_threads, batch_size=options.batch_size)


# Each loader imports its library itself, so that only the engine in use is imported.
_LOADERS: Mapping[EngineName, Callable[[Path, _LoadOptions], _WarmableEngine]] = {
    "onnx": _load_onnx,
    "ctranslate2": _load_ctranslate2,
    "transformers": _load_transformers,
}


def _load(name: EngineName, directory: Path, options: _LoadOptions) -> Engine:
    """Return the engine, warmed up; whatever is wrong with the files becomes a ModelError.

    The libraries that read a model are not written for files that mean harm, and each raises
    exceptions of its own.
    """
    from asr_core.models.ctranslate2_format import validate_json

    try:
        validate_json(directory)
        engine = _LOADERS[name](directory, options)
        engine.warm_up()
    except AsrError:
        raise
    except Exception as error:
        raise ModelError(
            f"The model in {directory} cannot be loaded ({type(error).__name__}); fetch it again, "
            "or choose another one."
        ) from error
    trim_heap()  # frees what the model was built from
    return engine
