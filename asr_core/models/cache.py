"""Cache folder of fetched models: atomic entries, bounded size, least recently used evicted first."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from asr_core.errors import ModelError
from asr_core.settings import read_settings

__all__ = [
    "KEPT_GRAPHS",
    "cache_dir",
    "cached_path",
    "find_missing_file",
    "folder_size_bytes",
    "has_room",
    "lock_in_use",
    "model_size_bytes",
    "publish",
    "record_use",
    "reserve_space",
    "staging_folder",
]

logger = logging.getLogger(__name__)

_STAGING_PREFIX = ".fetching-"
_STALE_S = 24 * 3600
_LOCK_NAME = ".in-use"  # locked while a process has the model loaded

_RECENT_S = 60.0
"""A model requested this recently is about to be loaded, so it is not evicted."""

_MIN_FREE_BYTES = 200e6
"""Disk space that stays free for everything else."""

KEPT_GRAPHS = "graphs"
"""Folder inside a model's that holds what the ONNX engine made from the weights."""

_CT2_FILES = ("model.bin", "config.json", "tokenizer.json")
_TRANSFORMERS_FILES = ("config.json", "tokenizer.json")


def cache_dir() -> Path:
    """Return the cache folder: ``$ASR_MODELS_DIR``, or one in the user's cache."""
    chosen = read_settings().models_dir
    if chosen is not None:
        return chosen.expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "asr_core" / "models"


def cached_path(model: str) -> Path:
    """Return the directory of a catalogue name or hub id once it is fetched."""
    return cache_dir() / model.replace("/", "--")


def find_missing_file(directory: Path) -> str | None:
    """Return the first file that ``directory`` lacks to be a model; None if it is complete."""
    names: tuple[str, ...] = _CT2_FILES
    if not (directory / "model.bin").exists() and any(directory.glob("*.safetensors")):
        names = _TRANSFORMERS_FILES
    for name in names:
        if not (directory / name).is_file():
            if name == "model.bin":
                return "model.bin or model.safetensors (pickles, which may run code, are not read)"
            return name
    if names is _CT2_FILES and not list(directory.glob("vocabulary.*")):
        return "vocabulary.json"
    return None


def folder_size_bytes(folder: Path) -> int:
    """Return the size of ``folder``, while files may appear and disappear."""
    return _total_bytes(folder.rglob("*"))


def model_size_bytes(directory: Path) -> int:
    """Return what a model's own files take on the disk, without the graphs made from them."""
    paths = directory.rglob("*")
    return _total_bytes(p for p in paths if KEPT_GRAPHS not in p.relative_to(directory).parts)


def _total_bytes(paths: Iterable[Path]) -> int:
    total = 0
    for path in paths:
        try:
            total += path.lstat().st_size
        except OSError:  # deleted since it was listed
            continue
    return total


# --- arriving --------------------------------------------------------------------


@contextmanager
def staging_folder() -> Iterator[Path]:
    """Yield a temporary folder beside the cache entries, removed afterwards in any case.

    Raises:
        ModelError: it cannot be written, or the block ran out of disk.
    """
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        _remove_stale(cache_dir())
        folder = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=cache_dir()))
    except OSError as error:
        raise ModelError(_cannot_write(error)) from None
    try:
        yield folder
    except OSError as error:
        raise ModelError(_cannot_write(error)) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, target: Path) -> Path:
    """Move a staged ``folder`` to ``target`` by one rename, and return ``target``.

    A complete model that another process published meanwhile is kept.
    """
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        is_smaller = model_size_bytes(target) < model_size_bytes(folder)
        if find_missing_file(target) is not None or is_smaller:
            shutil.rmtree(target)  # an incomplete copy
            folder.rename(target)
    return target


def _remove_stale(cache: Path) -> None:
    """Remove folders of killed fetches; recent ones may be in use."""
    for folder in cache.glob(f"{_STAGING_PREFIX}*"):
        with suppress(FileNotFoundError):  # that fetch has just ended
            if time.time() - folder.stat().st_mtime > _STALE_S:
                shutil.rmtree(folder, ignore_errors=True)


def _cannot_write(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return (
            f"The disk is full, so the model was not fetched; free some space in {cache_dir()} "
            "or set ASR_MODELS_DIR to another disk."
        )
    return (
        f"The model cannot be stored in {cache_dir()} ({error.strerror or error}); "
        "set ASR_MODELS_DIR to a folder that can be written."
    )


# --- leaving ---------------------------------------------------------------------


def _is_cached(directory: Path) -> bool:
    return directory.resolve().parent == cache_dir().resolve()


def record_use(directory: Path) -> None:
    """Record that a cached model was used now; do nothing for any other directory."""
    if _is_cached(directory):
        try:
            os.utime(directory)
        except OSError:  # a read-only cache evicts nothing
            return


def lock_in_use(directory: Path) -> IO[bytes] | None:
    """Lock a cached model against eviction by any process, until the result is closed.

    Returns None for a directory outside the cache, and where files cannot be locked.
    """
    if not _is_cached(directory):
        return None
    return _try_lock(directory, shared=True)


def _try_lock(directory: Path, *, shared: bool) -> IO[bytes] | None:
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        lock = (directory / _LOCK_NAME).open("ab")
    except OSError:
        return None
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def reserve_space(n_bytes: int) -> None:
    """Make room for a model of ``n_bytes`` on the disk and within the cache's limit.

    Where ``ASR_MAX_MODEL_CACHE_MB`` is set, the least recently used models are evicted, except those
    that a process has loaded.

    Raises:
        ModelError: there is no room for it.
    """
    max_bytes = _max_cache_bytes()
    if max_bytes is not None:
        _evict(n_bytes, max_bytes)
    free = shutil.disk_usage(cache_dir()).free
    if free < n_bytes + _MIN_FREE_BYTES:
        raise ModelError(
            f"The model takes {n_bytes / 1e6:.0f} MB, and the disk has {free / 1e6:.0f} MB free; "
            "free some space, or set ASR_MODELS_DIR to another disk."
        )


def has_room(directory: Path, n_bytes: int) -> bool:
    """Return whether ``n_bytes`` may be added to a model's folder without evicting a model."""
    if shutil.disk_usage(directory).free < n_bytes + _MIN_FREE_BYTES:
        return False
    if not directory.resolve().is_relative_to(cache_dir().resolve()):
        return True
    max_bytes = _max_cache_bytes()
    return max_bytes is None or folder_size_bytes(cache_dir()) + n_bytes <= max_bytes


def _max_cache_bytes() -> float | None:
    max_mb = read_settings().max_model_cache_mb
    return None if max_mb is None else 1e6 * max_mb


def _evict(n_bytes: int, max_bytes: float) -> None:
    kept = [path for path in cache_dir().iterdir() if path.is_dir() and path.name[0] != "."]
    sizes = {path: folder_size_bytes(path) for path in kept}
    total = sum(sizes.values())
    for path in sorted(kept, key=lambda path: path.stat().st_mtime):
        if total + n_bytes <= max_bytes or n_bytes > max_bytes:
            break
        if time.time() - path.stat().st_mtime < _RECENT_S:
            continue
        lock = _try_lock(path, shared=False)
        if lock is None:
            continue
        with lock:
            shutil.rmtree(path, ignore_errors=True)
        total -= sizes[path]
        logger.warning(
            "The model %s was removed from the cache, which may hold %.0f MB",
            path.name,
            max_bytes / 1e6,
        )
    if total + n_bytes > max_bytes:
        raise ModelError(
            f"The model takes {n_bytes / 1e6:.0f} MB, which does not fit beside the models in use "
            f"into the {max_bytes / 1e6:.0f} MB for models (ASR_MAX_MODEL_CACHE_MB)."
        )
