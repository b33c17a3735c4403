"""The store on SQLite and on PostgreSQL: consistent, durable, and it deletes on request."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from asr_core.audio.pcm import clip_to_int16
from asr_core.errors import SettingsError, StoreError
from asr_core.evaluation.cases import NewCase
from asr_core.evaluation.conditions import CLEAN, Condition
from asr_core.evaluation.store import Flag, Store, open_store
from asr_core.evaluation.store.audio_files import AudioFiles
from asr_core.evaluation.trial import SystemConfig, Trial, TrialResult
from asr_core.transcript import Word
from tests.support.evaluation import REVIEWER

SYSTEMS = (SystemConfig("tiny.en"), SystemConfig("base", mode="streaming", prompt="Nagg"))
FLAG = Flag("noise", "fell better", "Fail better.", "talk.wav", "base", "en", 3.0, 4.5, "loud")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_case_is_read_back_as_it_was_stored(
    store: Store, failures: list[NewCase], tmp_path: Path
) -> None:
    case = store.add_case(failures[0])
    assert store.cases() == [case]
    assert (case.name, case.reference, dict(case.tags)) == (
        "whole", failures[0].reference, {"accent": "Irish", "speaker": "a"},
    )  # fmt: skip
    pcm = clip_to_int16(store.samples(case.id))
    assert np.array_equal(pcm, failures[0].samples)
    assert store.add_case(failures[0]).id == case.id
    assert store.used_mb() == pytest.approx(len(store.flac(case.id)) / 1e6)
    assert len(_files(tmp_path / "audio")) == 1


def test_a_case_can_be_corrected(store: Store, failures: list[NewCase]) -> None:
    case = store.add_case(failures[1])
    store.change_case(case.id, "new", "Ever tried!", "fr", {"accent": "Manx"})
    [changed] = store.cases()
    assert (changed.name, changed.reference, changed.language, changed.tags) == (
        "new", "Ever tried!", "fr", {"accent": "Manx"},
    )  # fmt: skip


def _trial(case_id: str, condition: Condition, system: SystemConfig, text: str = "Fail") -> Trial:
    heard = TrialResult((Word(f" {text}", 0.1, 0.5, 0.75),), "en", 1.5, 0.25, (0.5,))
    return Trial(case_id, "n", "Fail better.", "en", condition, system, heard, {"accent": "x"})


def test_a_run_keeps_each_trial_once(store: Store, failures: list[NewCase]) -> None:
    cases = [store.add_case(new) for new in failures]
    conditions = [CLEAN, Condition("white", 5)]
    run = store.add_run("first", [c.id for c in cases], conditions, SYSTEMS)
    trial = _trial(cases[0].id, conditions[1], SYSTEMS[1])
    store.add_trial(run, trial)
    store.add_trial(run, replace(trial, result=TrialResult()))
    [known] = store.runs()
    assert (known.n_done, known.n_trials) == (1, 12)
    assert store.trials(known) == [trial]
    assert store.done(run.id) == {(cases[0].id, "white:5", 1)}


def test_deleted_content_is_gone_from_the_disk(
    store: Store, failures: list[NewCase], tmp_path: Path
) -> None:
    cases = [store.add_case(new) for new in failures]
    run = store.add_run("r", [c.id for c in cases], [CLEAN], SYSTEMS)
    for case in cases:
        store.add_trial(run, _trial(case.id, CLEAN, SYSTEMS[0], "Supercalifragilistic"))
    store.delete_cases([case.id for case in cases])
    [left] = store.runs()
    assert (store.cases(), store.trials(left), left.n_trials) == ([], [], 0)
    assert _files(tmp_path / "audio") == []
    store.add_trial(run, _trial(cases[0].id, CLEAN, SYSTEMS[0]))  # one that was still running
    assert store.trials(left) == []
    store.delete_run(run.id)
    assert store.runs() == []
    for path in tmp_path.glob("bench.db*"):
        assert b"Supercalifragilistic" not in path.read_bytes()


def test_flags_are_reviewed(store: Store, failures: list[NewCase], tmp_path: Path) -> None:
    heard = store.add_flag(FLAG, failures[2].samples)
    silent = store.add_flag(replace(FLAG, reason="name"))
    assert (heard.has_audio, silent.has_audio) == (True, False)
    store.dismiss_flag(silent.id)
    assert [flag.state for flag in store.flags()] == ["open", "dismissed"]
    case = store.accept_flag(heard, "Fail better.", {"accent": "Irish"})
    assert store.cases() == [case]
    assert store.flags()[0].state in ("accepted", "dismissed")
    assert case.digest == failures[2].digest
    for flag in store.flags():
        store.delete_flag(flag.id)
    assert store.flags() == []
    assert len(_files(tmp_path / "audio")) == 1
    with pytest.raises(StoreError, match="missing"):
        store.accept_flag(heard, "", {})


def test_noises_have_one_name_each(store: Store, failures: list[NewCase]) -> None:
    noise = store.add_noise("street", failures[2].samples)
    with pytest.raises(StoreError, match="already"):
        store.add_noise("street", failures[1].samples)
    with pytest.raises(StoreError, match="name"):
        store.add_noise("a@b", failures[1].samples)
    assert store.noises() == [noise]
    store.delete_noise(noise.id)
    assert store.noises() == []


def test_a_full_store_refuses_a_change_and_stays_as_it_is(
    database_url: str, failures: list[NewCase], tmp_path: Path
) -> None:
    store = Store(database_url, tmp_path / "audio", max_mb=0.05).acting(REVIEWER)
    with pytest.raises(StoreError, match="full: 0 of 0 MB"):
        store.add_case(failures[0])
    assert (store.cases(), _files(tmp_path / "audio")) == ([], [])
    store.close()


def test_an_unwritable_folder_is_reported(
    database_url: str, failures: list[NewCase], tmp_path: Path
) -> None:
    (tmp_path / "audio").write_text("a file in its place")
    store = Store(database_url, tmp_path / "audio").acting(REVIEWER)
    with pytest.raises(StoreError, match="ASR_TESTBENCH_DIR"):
        store.add_case(failures[0])
    assert store.cases() == []
    store.close()


def test_ids_are_not_paths(store: Store) -> None:
    for name in ("../bench", "a/b", ""):
        with pytest.raises(StoreError):
            store.flac(name)


def test_a_store_of_a_newer_version_is_refused(database_url: str, tmp_path: Path) -> None:
    Store(database_url, tmp_path / "audio").close()
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match="another version"):
        Store(database_url, tmp_path / "audio")


def test_the_schema_is_what_the_migrations_make(database_url: str, tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from asr_core.evaluation.store.schema import Base

    Store(database_url, tmp_path / "audio").close()
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


@pytest.mark.parametrize("url", ["nonsense", "oracle://x", "sqlite:////proc/none/x.db"])
def test_an_unreachable_database_is_reported(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Store(url, tmp_path)


def test_the_environment_sets_the_location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_TESTBENCH_DIR", str(tmp_path / "here"))
    assert open_store() is open_store()
    assert (tmp_path / "here" / "testbench.db").exists()
    monkeypatch.setenv("ASR_TESTBENCH_DIR", str(tmp_path / "there"))
    monkeypatch.setenv("ASR_TESTBENCH_MAX_MB", "lots")
    with pytest.raises(SettingsError, match="ASR_TESTBENCH_MAX_MB is 'lots'; set it to a number"):
        open_store()


def test_many_writers_work_at_once(
    store: Store, failures: list[NewCase], database_url: str, tmp_path: Path
) -> None:
    second = Store(database_url, tmp_path / "audio").acting(REVIEWER)

    def write(which: Store, first: int) -> None:
        for i in range(first, first + 15):
            which.add_case(replace(failures[2], reference=f"number {i}"))

    threads = [
        threading.Thread(target=write, args=(which, 100 * k))
        for k, which in enumerate((store, second, store, second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({case.reference for case in store.cases()}) == 60
    assert all(len(store.samples(case.id)) for case in store.cases())
    second.close()


_WRITER = """
import sys
from pathlib import Path
import numpy as np
from asr_core.evaluation.cases import NewCase
from asr_core.evaluation.roles import Actor, Role
from asr_core.evaluation.store import Store
store = Store(sys.argv[1], Path(sys.argv[2])).acting(Actor("", Role.REVIEWER))
print("ready", flush=True)
rng = np.random.default_rng()
for i in range(10_000):
    samples = rng.integers(-99, 99, 4000, np.int16)
    case = store.add_case(NewCase(f"{i}", f"case {i}", samples))
    print(case.id, flush=True)
    if i % 3 == 2:
        store.delete_cases([case.id])
        print("-" + case.id, flush=True)
"""


def test_a_process_killed_while_writing_loses_no_confirmed_change(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    """Two writers are killed again and again, in the middle of any operation."""
    present: set[str] = set()
    gone: set[str] = set()
    rng = np.random.default_rng(0)
    for _ in range(int(os.environ.get("N_KILLS", "4"))):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", _WRITER, database_url, tmp_path / "audio"],
                stdout=subprocess.PIPE,
            )
            for _ in range(2)
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        time.sleep(float(rng.uniform(0.05, 0.4)))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            out, _ = writer.communicate()
            lines = out.decode().splitlines()
            for line in lines:
                (gone if line.startswith("-") else present).add(line.lstrip("-"))
            if lines and not lines[-1].startswith("-"):
                present.discard(lines[-1])  # its deletion may have been under way
    assert present
    known = {case.id for case in store.cases()}
    assert present - gone <= known
    assert not gone & known
    for case in store.cases():
        assert len(store.samples(case.id)) == 4000


def test_a_sweep_tolerates_files_that_vanish_meanwhile(tmp_path: Path) -> None:
    """A dangling link is listed, and gone when it is examined."""
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "x.part").symlink_to(tmp_path / "gone")
    AudioFiles(tmp_path).sweep([])
