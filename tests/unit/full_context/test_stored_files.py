from __future__ import annotations

import gc
import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from asr_core.errors import LimitError
from asr_core.full_context.stored_files import StoredFiles
from asr_core.ops.budget import Budget, Quota, Resource


@pytest.fixture
def budget() -> Budget:
    return Budget({Resource.UPLOADS: Quota(100, 60, "No room: {what} too much.")})


@pytest.fixture
def files(budget: Budget, tmp_path: Path) -> StoredFiles:
    return StoredFiles(budget, tmp_path)


def test_a_file_is_private_and_deleted_when_nobody_needs_it(
    files: StoredFiles, budget: Budget
) -> None:
    kept = files.keep("talk.mp3", io.BytesIO(b"sound"), files.reserve(10, "one"))
    again = kept
    with kept.open() as file:
        assert file.read() == b"sound"
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700
    path = kept.path
    del kept
    gc.collect()
    assert path.exists()
    del again
    gc.collect()
    assert not path.exists()
    assert budget.used(Resource.UPLOADS, "one") == 0


def test_space_is_reserved_before_the_first_byte_and_never_exceeded(
    files: StoredFiles, budget: Budget
) -> None:
    held = files.reserve(60, "one")
    with pytest.raises(LimitError, match="you have"):
        files.reserve(1, "one")
    with pytest.raises(LimitError, match="this server has"):
        files.reserve(41, "other")
    with pytest.raises(LimitError, match=r"talk\.mp3 is longer than was announced"):
        files.keep("talk.mp3", io.BytesIO(bytes(61)), held)
    assert not list(files.folder.iterdir())
    assert budget.used(Resource.UPLOADS, "one") == 0


def test_a_full_disk_is_reported(files: StoredFiles, budget: Budget) -> None:
    class Full(io.BytesIO):
        """A fake for the fault: a source during whose copying the disk fills up."""

        def read(self, size: int | None = -1) -> bytes:
            raise OSError(28, os.strerror(28))

    with pytest.raises(LimitError, match="No space left on device"):
        files.keep("talk.mp3", Full(), files.reserve(10, "one"))
    assert not list(files.folder.iterdir())
    assert budget.used(Resource.UPLOADS, "one") == 0


def test_links_and_pipes_among_the_locks_are_left_alone(tmp_path: Path, budget: Budget) -> None:
    os.mkfifo(tmp_path / "speak-and-read-x.lock")
    (tmp_path / "speak-and-read-y.lock").symlink_to(tmp_path / "theirs")
    (tmp_path / "theirs").write_text("x")
    StoredFiles(budget, tmp_path)
    assert (tmp_path / "theirs").exists()


def test_files_of_a_killed_process_are_swept_by_the_next(tmp_path: Path, budget: Budget) -> None:
    script = (
        "import io, os, sys; from pathlib import Path\n"
        "from asr_core.ops.budget import Budget; from asr_core.full_context.stored_files import StoredFiles\n"
        "files = StoredFiles(Budget({}), Path(sys.argv[1]))\n"
        "kept = files.keep('x', io.BytesIO(b'sound'), files.reserve(5, 'one'))\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    [left] = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert [path.read_bytes() for path in left.iterdir()] == [b"sound"]
    other = StoredFiles(budget, tmp_path)
    third = StoredFiles(budget, tmp_path)
    folders = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert sorted(folders) == sorted([other.folder, third.folder])
    assert len(list(tmp_path.iterdir())) == 4  # with their lock files
