"""On full and read-only disks content can be read, and deleted where possible."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from asr_core.errors import StoreError
from asr_core.evaluation.cases import NewCase
from asr_core.evaluation.conditions import CLEAN
from asr_core.evaluation.roles import Actor, Role
from asr_core.evaluation.store import Flag, Store, open_store
from asr_core.evaluation.trial import SystemConfig, Trial, TrialResult
from tests.support.evaluation import REVIEWER

FLAG = Flag("noise", "fell", "Fail.", "talk.wav", "base", "en", 3.0, 4.5)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB in memory."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(folder: Path) -> None:
    """Fill the disk to the last byte."""
    handle = os.open(folder / "filling", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(handle, bytes(4096))
    os.close(handle)
    with pytest.raises(OSError, match="No space"):
        (folder / "one more").write_bytes(b"x")
    (folder / "one more").unlink()


def _make_read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


@pytest.fixture
def opened(disk: Path, failures: list[NewCase]) -> Iterator[Store]:
    """A store on that disk with every kind of content."""
    opened = Store(f"sqlite:///{disk}/bench.db", disk / "audio")
    store = opened.acting(REVIEWER)
    cases = [store.add_case(new) for new in failures]
    run = store.add_run("r", [case.id for case in cases], [CLEAN], [SystemConfig("base")])
    for case in cases:
        result = TrialResult(error="x" * 10_000)
        trial = Trial(case.id, "n", "Fail.", "en", CLEAN, SystemConfig("base"), result)
        store.add_trial(run, trial)
    store.add_noise("street", failures[0].samples)
    store.add_flag(FLAG, failures[1].samples)
    yield store
    opened.close()


def _read_all(store: Store) -> None:
    [run] = store.runs()
    assert (len(store.trials(run)), run.n_done, len(store.cases())) == (3, 3, 3)
    for each in (*store.cases(), *store.noises(), *store.flags()):
        assert len(store.samples(each.id)) > 0
    assert store.used_mb() > 0


def _delete_all(store: Store) -> None:
    for noise in store.noises():
        store.delete_noise(noise.id)
    for flag in store.flags():
        store.delete_flag(flag.id)
    for run in store.runs():
        store.delete_run(run.id)
    store.delete_cases([case.id for case in store.cases()])


def test_everything_can_be_read_and_deleted_on_a_full_disk(
    opened: Store, disk: Path, failures: list[NewCase]
) -> None:
    _fill(disk)
    _read_all(opened)
    with pytest.raises(StoreError, match="No space left"):
        opened.add_noise("rain", failures[0].samples)
    _delete_all(opened)
    assert (opened.cases(), opened.runs(), opened.flags(), opened.noises()) == ([], [], [], [])
    assert len(opened.acting(Actor("", Role.OPERATOR)).audit()) == 4
    assert not list((disk / "audio").rglob("*.flac"))


def test_a_full_disk_refuses_rows_with_a_sentence(opened: Store, disk: Path) -> None:
    _fill(disk)
    with pytest.raises(StoreError, match=r"full; make room.*Nothing was changed"):
        for i in range(1000):  # until the database's free pages are used up
            opened.add_run(f"{i} " + "x" * 150, ["c" * 32] * 100, [CLEAN], [SystemConfig("base")])
    _read_all_but_runs(opened)


def _read_all_but_runs(store: Store) -> None:
    assert len(store.cases()) == 3
    assert store.runs()


_IN_A_NEW_PROCESS = """
import sys
from pathlib import Path
from asr_core.errors import StoreError
from asr_core.evaluation.roles import Actor, Role
from asr_core.evaluation.store import Store
disk = Path(sys.argv[1])
store = Store(f"sqlite:///{disk}/bench.db", disk / "audio").acting(Actor("", Role.REVIEWER))
cases = store.cases()
for case in cases:
    store.samples(case.id)
print(len(cases), len(store.runs()), len(store.flags()))
try:
    store.delete_cases([case.id for case in cases])
    print(len(store.cases()))
except StoreError as error:
    print(error)
"""


def _in_a_new_process(disk: Path, *prefix: str) -> list[str]:
    command = [*prefix, sys.executable, "-c", _IN_A_NEW_PROCESS, str(disk)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_on_a_full_disk_the_app_starts_and_deletes(opened: Store, disk: Path) -> None:
    opened.close()
    _fill(disk)
    assert _in_a_new_process(disk) == ["3 1 1", "0"]


def test_without_a_spare_file_the_app_starts_and_reports_the_full_disk(
    opened: Store, disk: Path
) -> None:
    opened.close()
    (disk / "bench.db.spare").unlink()
    _fill(disk)
    counts, sentence = _in_a_new_process(disk)
    assert counts == "3 1 1"
    assert "full" in sentence
    assert "Nothing was changed" in sentence
    assert len(list((disk / "audio").rglob("*.flac"))) == 5


def test_the_spare_file_is_restored_when_there_is_room(opened: Store, disk: Path) -> None:
    size = (disk / "bench.db.spare").stat().st_size
    assert size > 1_000_000
    _fill(disk)
    opened.delete_noise(opened.noises()[0].id)
    (disk / "filling").unlink()
    opened.delete_flag(opened.flags()[0].id)
    assert (disk / "bench.db.spare").stat().st_size == size


CHANGES: dict[str, Callable[[Store, NewCase], object]] = {
    "add a case": lambda store, new: store.add_case(new),
    "change": lambda store, _: store.change_case(store.cases()[0].id, "n", "s", "en", {}),
    "delete cases": lambda store, _: store.delete_cases([c.id for c in store.cases()]),
    "delete a noise": lambda store, _: store.delete_noise(store.noises()[0].id),
    "add a run": lambda store, _: store.add_run("x", [], [CLEAN], [SystemConfig("base")]),
    "delete a run": lambda store, _: store.delete_run(store.runs()[0].id),
    "dismiss": lambda store, _: store.dismiss_flag(store.flags()[0].id),
    "delete a flag": lambda store, _: store.delete_flag(store.flags()[0].id),
}


def test_on_a_read_only_disk_everything_is_read_and_changes_are_refused(
    opened: Store, disk: Path, failures: list[NewCase]
) -> None:
    opened.close()  # as at the next start
    left_behind = disk / "audio" / "ab" / "ab.flac"
    left_behind.parent.mkdir(exist_ok=True)  # an audio file may be there
    left_behind.write_bytes(b"by a crash, to be swept")
    os.utime(left_behind, (0, 0))
    _make_read_only(disk)
    again = Store(f"sqlite:///{disk}/bench.db", disk / "audio")
    for store in (opened, again.acting(REVIEWER)):
        _read_all(store)
        for change in CHANGES.values():
            with pytest.raises(StoreError, match=r"[Rr]ead-only"):
                change(store, NewCase("new", "new", failures[0].samples[:99]))
        _read_all(store)
    again.close()


_CUT_OFF = """
import os, sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("PRAGMA journal_mode=TRUNCATE")
other.execute("PRAGMA cache_size=1")  # pages are written before the end
other.execute("BEGIN IMMEDIATE")
for i in range(200):
    other.execute("UPDATE trials SET heard = heard || ?", ("y" * 99,))
    other.execute("UPDATE cases SET said = 'half done'")
os._exit(9)
"""


@pytest.fixture
def cut_off(opened: Store, disk: Path) -> Path:
    """The disk after a writer died in the middle of a change."""
    opened.close()
    subprocess.run([sys.executable, "-c", _CUT_OFF, str(disk / "bench.db")], check=False)
    assert (disk / "bench.db-journal").stat().st_size > 0
    return disk


def test_an_interrupted_change_is_rolled_back_on_a_full_disk(opened: Store, cut_off: Path) -> None:
    _fill(cut_off)
    _read_all(opened)
    assert "half done" not in {case.reference for case in opened.cases()}


def test_an_interrupted_change_is_reported_on_a_read_only_disk(
    opened: Store, cut_off: Path
) -> None:
    """Reading on would show half of a change."""
    _make_read_only(cut_off)
    for read in (opened.cases, lambda: Store(f"sqlite:///{cut_off}/bench.db", cut_off / "a")):
        with pytest.raises(StoreError, match="interrupted"):
            read()


def test_in_a_read_only_folder_everything_is_read(opened: Store, disk: Path) -> None:
    """Without root's permission to write everywhere."""
    opened.close()
    (disk / "bench.db").chmod(0o444)
    for folder in (disk, disk / "audio", *(disk / "audio").iterdir()):
        folder.chmod(0o555)
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    counts, sentence = _in_a_new_process(disk, setpriv, "--bounding-set=-dac_override")
    assert counts == "3 1 1"
    assert "read-only" in sentence


def test_audio_that_cannot_be_deleted_keeps_its_row(
    database_url: str, disk: Path, failures: list[NewCase]
) -> None:
    """The database is elsewhere and writable."""
    opened = Store(database_url, disk / "audio")
    store = opened.acting(REVIEWER)
    case = store.add_case(failures[0])
    _make_read_only(disk)
    with pytest.raises(StoreError, match="read-only"):
        store.delete_cases([case.id])
    assert store.cases() == [case]
    opened.close()


def test_an_earlier_version_on_a_read_only_disk_is_reported(opened: Store, disk: Path) -> None:
    opened.close()
    engine = sa.create_engine(f"sqlite:///{disk}/bench.db")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
        for table in ("cases", "noises", "runs", "flags"):
            connection.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN owner"))
        connection.execute(sa.text("DROP TABLE audit"))
    engine.dispose()
    _make_read_only(disk)
    with pytest.raises(StoreError, match="earlier version"):
        Store(f"sqlite:///{disk}/bench.db", disk / "audio")


def test_a_folder_that_cannot_be_created_is_reported_without_its_path(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make_read_only(disk)
    monkeypatch.setenv("ASR_TESTBENCH_DIR", str(disk / "new"))
    with pytest.raises(StoreError, match="Read-only file system") as caught:
        open_store()
    assert str(disk) not in str(caught.value)
