"""Serialised graphs kept beside the model, so that they are made once.

A file's name carries a key of all that went into the graph and the digest of its content:
``graphs/decoder-<key>-<digest>.onnx``. A file with another key is out of date, one whose
content does not match its digest is damaged; either way the graph is made anew. Graphs that
cannot be kept are made in memory each time.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import onnxruntime

from asr_core.engines.cpu_features import max_int8_weight
from asr_core.engines.onnx.session import create_session
from asr_core.models.cache import KEPT_GRAPHS, has_room
from asr_core.output.atomic_files import write_atomically

__all__ = ["GraphCache", "graph_key"]

logger = logging.getLogger(__name__)

_PACKAGE = Path(__file__).parents[2]

_SOURCES = (
    *sorted(Path(__file__).parent.glob("*.py")),
    _PACKAGE / "onnx_graph.py",
    _PACKAGE / "models" / "ctranslate2_format.py",
)
"""Code that decides what is in a graph."""

_LIBRARIES = ("numpy", "onnx", "onnxruntime")

_DIGEST_CHARACTERS = 16

_N_SAMPLES, _SAMPLE_BYTES = 64, 4096
"""Stretches of the weights that tell two models of one size apart."""

_MAX_VERSIONS = 2  # machines with two kinds of CPU may share a folder


class GraphCache:
    """Kept graphs of one model. Any thread and any process may use it at the same time.

    Args:
        directory: a model in CTranslate2 format.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._folder = directory / KEPT_GRAPHS
        self._key = graph_key(directory)

    def session(
        self, name: str, build: Callable[[], bytes], *, n_threads: int, in_order: bool = False
    ) -> onnxruntime.InferenceSession:
        """Create a session for the kept graph ``name``; make the graph where there is none.

        Args:
            name: of the graph, in lower-case letters.
            build: makes the graph.
            n_threads: of one run.
            in_order: run the nodes in the order in which they were added.
        """
        for path in self._intact_files(name):
            try:
                return create_session(path, n_threads=n_threads, in_order=in_order)
            except Exception:  # ONNX Runtime's have no common base
                logger.warning("The kept graph %s cannot be loaded and is made anew", path)
                _remove(path)
        graph = self._keep(name, build())
        return create_session(graph, n_threads=n_threads, in_order=in_order)

    def _intact_files(self, name: str) -> Iterator[Path]:
        """Yield the kept file of this key; remove one whose content is damaged."""
        for path in self._folder.glob(f"{name}-{self._key}-*.onnx"):
            try:
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                continue
            if path.stem.endswith(f"-{digest[:_DIGEST_CHARACTERS]}"):
                yield path
            else:
                logger.warning("The kept graph %s is damaged and is made anew", path)
                _remove(path)

    def _keep(self, name: str, graph: bytes) -> Path | bytes:
        """Write a graph, and remove those of other keys; return the graph if it cannot be kept."""
        digest = hashlib.sha256(graph).hexdigest()[:_DIGEST_CHARACTERS]
        path = self._folder / f"{name}-{self._key}-{digest}.onnx"
        try:
            if not has_room(self._directory, len(graph)):
                return graph
            self._folder.mkdir(exist_ok=True)
            write_atomically(path, graph)
        except OSError as error:
            logger.info("The graph %s is not kept (%s)", path, error.strerror or error)
            return graph
        self._remove_outdated(name)
        return path

    def _remove_outdated(self, name: str) -> None:
        with suppress(OSError):  # another process may be doing the same
            kept = sorted(
                self._folder.glob(f"{name}-*.onnx"), key=lambda path: path.stat().st_mtime
            )
            for path in kept[:-_MAX_VERSIONS]:
                _remove(path)


def graph_key(directory: Path) -> str:
    """Return a key of all that a graph is made from: code, libraries, CPU, weights, settings."""
    key = hashlib.sha256(_code_digest())
    key.update(str(max_int8_weight()).encode())
    key.update((directory / "config.json").read_bytes())
    weights = directory / "model.bin"
    status = weights.stat()
    key.update(f"{status.st_size} {status.st_mtime_ns}".encode())
    with weights.open("rb", buffering=0) as file:
        for i in range(_N_SAMPLES):
            file.seek(status.st_size * i // _N_SAMPLES)
            key.update(file.read(_SAMPLE_BYTES))
    return key.hexdigest()[:_DIGEST_CHARACTERS]


@functools.cache
def _code_digest() -> bytes:
    digest = hashlib.sha256()
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)} ".encode())
    for source in _SOURCES:
        digest.update(source.read_bytes())
    return digest.digest()


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
