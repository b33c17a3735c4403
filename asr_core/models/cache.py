"""The folder that fetched models lie in: whole or not at all, bounded, least used out first."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from asr_core.errors import ModelError

__all__ = [
    "cache_dir",
    "cached_path",
    "mark_in_use",
    "missing_file",
    "note_use",
    "publish",
    "reserve",
    "size_bytes",
    "staging",
]

logger = logging.getLogger(__name__)

_STAGING_PREFIX = ".fetching-"
_STALE_S = 24 * 3600
_MARK = ".in-use"  # locked by every process that has the model loaded

_FRESH_S = 60.0
"""What was asked for so lately is about to be loaded."""

_SPARE_BYTES = 200e6
"""Stays free on the disk, for everything else."""

_CT2_FILES = ("model.bin", "config.json", "tokenizer.json")
_TRANSFORMERS_FILES = ("config.json", "tokenizer.json")


def cache_dir() -> Path:
    """Where fetched models lie: ``$ASR_MODELS_DIR``, or the user's cache folder."""
    chosen = os.environ.get("ASR_MODELS_DIR")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "asr_core" / "models"


def cached_path(model: str) -> Path:
    """Return where a catalogue name or hub id lies once it is fetched."""
    return cache_dir() / model.replace("/", "--")


def missing_file(directory: Path) -> str | None:
    """What ``directory`` lacks to be a model: the name of a file, or None."""
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


def size_bytes(folder: Path) -> int:
    """Return what ``folder`` takes on the disk, whatever comes and goes meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:  # gone between the listing and the look
            continue
    return total


# --- arriving --------------------------------------------------------------------


@contextmanager
def staging() -> Iterator[Path]:
    """A temporary folder beside the cache entries; gone afterwards, come what may.

    Raises:
        ModelError: it cannot be written, or the block ran out of disk.
    """
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        _sweep(cache_dir())
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
    """Make what was staged in ``folder`` visible as ``target``, by one rename.

    A model that another process put there meanwhile stays.
    """
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        if missing_file(target) is not None or size_bytes(target) < size_bytes(folder):
            shutil.rmtree(target)  # left by a hand, an old version or a broken copy
            folder.rename(target)
    return target


def _sweep(cache: Path) -> None:
    """Remove what fetches left that were killed; younger folders may be in use."""
    for folder in cache.glob(f"{_STAGING_PREFIX}*"):
        with suppress(FileNotFoundError):  # that fetch just came to its end
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


def note_use(directory: Path) -> None:
    """Remember that a cached model was used just now; others are left alone."""
    if _is_cached(directory):
        try:
            os.utime(directory)
        except OSError:  # a cache that may only be read is not evicted from either
            return


def mark_in_use(directory: Path) -> IO[bytes] | None:
    """Keep a cached model from being evicted by any process, until the result is closed.

    None for a directory outside of the cache, and where this cannot be told to others.
    """
    if not _is_cached(directory):
        return None
    return _locked(directory, shared=True)


def _locked(directory: Path, *, shared: bool) -> IO[bytes] | None:
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        mark = (directory / _MARK).open("ab")
    except OSError:
        return None
    try:
        fcntl.flock(mark, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        mark.close()
        return None
    return mark


def reserve(n_bytes: int, settings: Mapping[str, str] = os.environ) -> None:
    """Make room for a model of ``n_bytes``: on the disk, and in what the cache may take.

    Where ``ASR_MODELS_MAX_MB`` is set, models are evicted, the least recently used first,
    but none that any process has loaded.

    Raises:
        ModelError: there is no room for it.
    """
    most = _most_bytes(settings)
    if most is not None:
        _evict(n_bytes, most)
    free = shutil.disk_usage(cache_dir()).free
    if free < n_bytes + _SPARE_BYTES:
        raise ModelError(
            f"The model takes {n_bytes / 1e6:.0f} MB, and the disk has {free / 1e6:.0f} MB free; "
            "free some space, or set ASR_MODELS_DIR to another disk."
        )


def _most_bytes(settings: Mapping[str, str]) -> float | None:
    text = settings.get("ASR_MODELS_MAX_MB", "").strip()
    if not text:
        return None
    try:
        most = float(text) * 1e6
    except ValueError:
        most = 0.0
    if not 0 < most < float("inf"):
        raise ModelError(
            f"ASR_MODELS_MAX_MB is {text!r}; set it to a number above 0, or leave it out."
        )
    return most


def _evict(n_bytes: int, most: float) -> None:
    kept = [path for path in cache_dir().iterdir() if path.is_dir() and path.name[0] != "."]
    sizes = {path: size_bytes(path) for path in kept}
    total = sum(sizes.values())
    for path in sorted(kept, key=lambda path: path.stat().st_mtime):
        if total + n_bytes <= most or n_bytes > most:
            break
        if time.time() - path.stat().st_mtime < _FRESH_S:
            continue
        mark = _locked(path, shared=False)
        if mark is None:
            continue
        with mark:
            shutil.rmtree(path, ignore_errors=True)
        total -= sizes[path]
        logger.warning(
            "The model %s was removed from the cache, which may hold %.0f MB", path.name, most / 1e6
        )
    if total + n_bytes > most:
        raise ModelError(
            f"The model takes {n_bytes / 1e6:.0f} MB, which does not fit beside the models in use "
            f"into the {most / 1e6:.0f} MB for models (ASR_MODELS_MAX_MB)."
        )
