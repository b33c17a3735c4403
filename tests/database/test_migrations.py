"""Databases of earlier versions, and folders with unusual names."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import asr_core
from asr_core.audio.encode import to_flac
from asr_core.errors import StoreError
from asr_core.evaluation.cases import NewCase, sample_digest
from asr_core.evaluation.roles import Actor, Role
from asr_core.evaluation.store import Store, open_store
from asr_core.evaluation.store import database as database_module
from asr_core.evaluation.trial import SystemConfig
from tests.support.evaluation import REVIEWER

_TABLES = """
INSERT INTO cases VALUES ('c1', 'whole', 'Ever tried.', 'en', 1.5, '{"accent": "Irish"}', :digest,
    100, '2026-01-02 03:04:05');
INSERT INTO noises VALUES ('n1', 'street', 2.0, 100);
INSERT INTO runs VALUES ('r1', 'first', '1', '["c1"]', '["clean"]', '[{"model": "base"}]',
    '2026-01-02 03:04:05');
INSERT INTO trials (run_id, case_id, condition, setup, name, said, language, tags, heard)
    VALUES ('r1', 'c1', 'clean', 0, 'whole', 'Ever tried.', 'en', '{}',
    '{"words": [["Ever", 0.1, 0.5, 0.9]], "language": "en", "audio_s": 1.5, "took_s": 0.25,
    "latencies": [0.4], "error": null}');
INSERT INTO flags VALUES ('f1', 'noise', 'fell', 'Fail.', '', 'talk.wav', 'base', 'en', 1.0, 2.0,
    :no_audio, 0, 'open', '2026-01-02 03:04:05')
"""


@pytest.fixture
def first_version(database_url: str, tmp_path: Path, failures: list[NewCase]) -> str:
    """URL of a database as the first version left it, with its audio."""
    engine = sa.create_engine(database_url)
    config = Config()
    migrations = Path(database_module.__file__).with_name("migrations")
    config.set_main_option("script_location", str(migrations))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        values = {"digest": sample_digest(failures[0].samples), "no_audio": False}
        for statement in _TABLES.split(";"):
            connection.execute(sa.text(statement), values)
    engine.dispose()
    if database_url.startswith("sqlite"):
        with sqlite3.connect(tmp_path / "bench.db") as plain:
            plain.execute("PRAGMA journal_mode=WAL")
        plain.close()
    (tmp_path / "audio" / "c1").mkdir(parents=True)
    (tmp_path / "audio" / "c1" / "c1.flac").write_bytes(to_flac(failures[0].samples))
    return database_url


def test_content_of_the_first_version_is_kept_without_an_owner(
    first_version: str, tmp_path: Path
) -> None:
    opened = Store(first_version, tmp_path / "audio")
    store = opened.acting(REVIEWER)
    [case], [noise], [run], [flag] = store.cases(), store.noises(), store.runs(), store.flags()
    assert (case.reference, dict(case.tags), run.n_done) == ("Ever tried.", {"accent": "Irish"}, 1)
    assert [each.owner for each in (case, noise, run, flag)] == ["", "", "", ""]
    [trial] = store.trials(run)
    assert (trial.reference, trial.text, trial.system) == (
        "Ever tried.",
        "Ever",
        SystemConfig("base"),
    )
    assert (trial.result.audio_s, trial.result.processing_s, trial.result.latencies) == (
        1.5, 0.25, (0.4,),
    )  # fmt: skip
    assert (flag.hypothesis, flag.corrected) == ("fell", "Fail.")
    assert len(store.samples("c1")) > 0
    with pytest.raises(StoreError, match="somebody else"):
        opened.acting(Actor("a@lab.example", Role.TESTER)).delete_cases(["c1"])
    store.delete_cases(["c1"])
    assert (store.cases(), store.trials(run)) == ([], [])
    assert [line.n for line in opened.acting(Actor("", Role.OPERATOR)).audit()] == [1]
    opened.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_readers_of_sqlite_need_no_extra_files(first_version: str, tmp_path: Path) -> None:
    opened = Store(first_version, tmp_path / "audio")
    assert opened.acting(REVIEWER).cases()
    assert not (tmp_path / "bench.db-wal").exists()
    assert not (tmp_path / "bench.db-shm").exists()
    opened.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_earlier_version_may_still_have_the_database_open(
    first_version: str, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "bench.db") as other:
        assert other.execute("SELECT count(*) FROM cases").fetchone() == (1,)
        opened = Store(first_version, tmp_path / "audio")
        store = opened.acting(REVIEWER)
        store.delete_cases(["c1"])
        assert other.execute("SELECT count(*) FROM cases").fetchone() == (0,)
        opened.close()
    other.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_up_to_date_database_is_opened_without_a_write_lock(
    database_url: str, tmp_path: Path
) -> None:
    Store(database_url, tmp_path / "audio").close()
    with sqlite3.connect(tmp_path / "bench.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        opened = Store(database_url, tmp_path / "audio")
        assert opened.acting(REVIEWER).cases() == []
        opened.close()
    other.close()


_ODD = ("100 % sure", "what?mode=memory", "a#b", "%(here)s", "sp ace", "grün 中", "a&b=c", "p%20q")


@pytest.mark.parametrize("name", _ODD)
def test_a_store_lies_in_a_folder_of_any_name(
    name: str, tmp_path: Path, failures: list[NewCase], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASR_TESTBENCH_URL", raising=False)
    monkeypatch.setenv("ASR_TESTBENCH_DIR", str(tmp_path / name))
    opened = open_store()
    opened.acting(REVIEWER).add_case(failures[0])
    opened.close()
    assert {path.name for path in tmp_path.iterdir()} == {name}
    with sqlite3.connect(tmp_path / name / "testbench.db") as plain:
        assert plain.execute("SELECT count(*) FROM cases").fetchone() == (1,)
    plain.close()


_OPEN = """
import sys
from pathlib import Path
import asr_core
from asr_core.evaluation.store import Store
Store("sqlite:///" + sys.argv[1], Path(sys.argv[1]).parent / "audio")
print(Path(asr_core.__file__).parent.parent)
"""


def test_the_app_lies_in_a_folder_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / " ".join(_ODD)
    shutil.copytree(
        Path(asr_core.__file__).parent, folder / "asr_core",
        ignore=shutil.ignore_patterns("__pycache__"),
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", _OPEN, tmp_path / "bench.db"], check=True, cwd=folder,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(folder)
    assert (tmp_path / "bench.db").stat().st_size > 0


@pytest.mark.parametrize("url", ["postgresql://user:SECRET@[bad", "SECRET", "oracle://u:SECRET@h"])
def test_a_wrong_url_is_reported_without_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        Store(url, tmp_path)
    assert "SECRET" not in str(caught.value)


def test_a_file_that_is_not_a_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "bench.db").write_bytes(b"no database, but long enough to be one " * 100)
    with pytest.raises(StoreError, match="damaged"):
        Store(f"sqlite:///{tmp_path / 'bench.db'}", tmp_path / "audio")
