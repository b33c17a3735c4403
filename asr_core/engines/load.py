"""Choosing an engine by the hardware, and loading each model once per process."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from asr_core.engines.base import Engine, EngineName
from asr_core.engines.shared import SharedEngine, shared
from asr_core.errors import AsrError, EngineError, ModelError
from asr_core.memory import give_back

__all__ = ["choose_engine", "load_engine"]


def choose_engine(wanted: EngineName | Literal["auto"] = "auto") -> EngineName:
    """The engine to use, if ``auto`` the quickest for this machine.

    On a CPU that is ONNX Runtime; on a GPU it is torch where that is, else CTranslate2. Asks
    the operating system first, so that nothing heavy is imported where there is no GPU.

    Raises:
        EngineError: transformers is asked for but not installed.
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
    """The model in ``directory``, warmed up; loaded once and shared by all callers.

    Any thread may call; a second caller waits while the first one loads. Where there is too
    little memory for one more model, those that nobody uses are put away; they come back by
    themselves when they are called.

    Args:
        n_threads: cores to use; all there are by default.
        batch_size: windows of a file that are decoded together; what the engine
            likes best by default.
        live: people speak while files are transcribed: with ONNX Runtime the windows of a file are
            decoded one by one, so that speakers wait half as long for a worker; that takes
            70 MB less (base, two cores) and files a tenth longer. Who loads first decides.

    Raises:
        EngineError: the engine is not installed.
        LimitError: others use the memory that there is for models.
        ModelError: the model cannot be loaded.
    """
    name = choose_engine(engine)
    directory = directory.resolve()

    def load() -> Engine:
        return _load(name, directory, n_threads, batch_size, live)

    found: SharedEngine = shared((name, directory, n_threads, batch_size), directory, load)
    found.prepare()
    return found


class _Warmable(Engine, Protocol):
    def warm_up(self) -> None: ...


def _load(
    name: EngineName,
    directory: Path,
    n_threads: int | None,
    batch_size: int | None,
    live: bool,
) -> Engine:
    def make() -> _Warmable:
        return _made(name, directory, n_threads, batch_size, live)

    loaded = _explained(make, directory)
    give_back()  # of what the model was made from
    return loaded


def _explained(make: Callable[[], _Warmable], directory: Path) -> Engine:
    """Whatever is wrong with the files of a model, in one sentence: what reads them is not
    written for files that mean harm, and each library has exceptions of its own."""
    try:
        loaded = make()
        loaded.warm_up()
    except AsrError:
        raise
    except Exception as error:
        raise ModelError(
            f"The model in {directory} cannot be loaded ({type(error).__name__}); fetch it again, "
            "or choose another one."
        ) from error
    return loaded


def _made(
    name: EngineName,
    directory: Path,
    n_threads: int | None,
    batch_size: int | None,
    live: bool,
) -> _Warmable:
    from asr_core.models.convert import as_ctranslate2, check_json

    check_json(directory)
    if name == "transformers":
        from asr_core.engines.transformers import TransformersEngine

        return TransformersEngine(directory, n_threads=n_threads, batch_size=batch_size)

    directory = as_ctranslate2(directory)
    if name == "ctranslate2":
        from asr_core.engines.ctranslate2 import CTranslate2Engine

        return CTranslate2Engine(directory, n_threads=n_threads, batch_size=batch_size)
    from asr_core.engines.onnx import OnnxEngine

    return OnnxEngine(directory, n_threads=n_threads, batch_size=batch_size, live=live)
