from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from asr_core.output.atomic_files import check_writable, write_atomically


def test_a_written_file_is_complete_and_alone(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.txt", b"one")
    write_atomically(tmp_path / "a.txt", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"two"


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_previous_content(
    failure: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise failure

    (tmp_path / "old.txt").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    for name in ("old.txt", "new.txt"):
        with pytest.raises(type(failure)):
            write_atomically(tmp_path / name, b"half of it")
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]
    assert (tmp_path / "old.txt").read_bytes() == b"old"


def test_permissions_are_those_of_the_file_or_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "new.txt", b"")
    finally:
        os.umask(before)
    (tmp_path / "old.txt").touch()
    (tmp_path / "old.txt").chmod(0o604)
    write_atomically(tmp_path / "old.txt", b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new.txt", "old.txt")]
    assert modes == [0o640, 0o604]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to("deep/real.txt")
    write_atomically(link, b"words")
    assert link.is_symlink()
    assert (tmp_path / "deep" / "real.txt").read_bytes() == b"words"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_the_longest_allowed_name_is_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("n" * 251 + ".txt"), b"words")
    with pytest.raises(OSError, match="too long"):
        write_atomically(tmp_path / ("n" * 256), b"words")


def test_devices_and_pipes_are_written_to(tmp_path: Path) -> None:
    write_atomically(Path(os.devnull), b"words")
    assert not Path(os.devnull).is_file()
    reader, writer = os.pipe()
    write_atomically(Path(f"/dev/fd/{writer}"), b"words")
    assert os.read(reader, 10) == b"words"
    os.close(reader)
    os.close(writer)


def test_a_file_opened_by_the_shell_is_appended_to(tmp_path: Path) -> None:
    with (tmp_path / "out").open("ab") as opened:
        opened.write(b"before ")
        opened.flush()
        write_atomically(Path(f"/dev/fd/{opened.fileno()}"), b"words")
    assert (tmp_path / "out").read_bytes() == b"before words"


def test_checking_a_path_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "a.txt")
    check_writable(Path(os.devnull))
    assert not list(tmp_path.iterdir())
    for wrong in (tmp_path, tmp_path / "none" / "a.txt"):
        with pytest.raises(OSError):
            check_writable(wrong)
