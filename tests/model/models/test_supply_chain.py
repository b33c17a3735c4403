"""Only pinned, bounded and permitted files are fetched."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from asr_core.errors import ModelError
from asr_core.models import Progress, allowlist, cache, fetch, find_local, resolve
from asr_core.models.cache import lock_in_use
from tests.support.hub import Hub, serving

SMALL = {
    "model.bin": b"weights" * 1000,
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "vocabulary.txt": b"a",
}


def small(n_bytes: int = 7000) -> dict[str, bytes]:
    return SMALL | {"model.bin": os.urandom(n_bytes)}


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no package index, and no other program's models."""
    monkeypatch.setenv("ASR_MODELS_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(fetch, "_failed", {})
    return tmp_path / "cache"


@pytest.fixture
def hub(cache_folder: Path, tiny_en: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    real = {
        path.name: path.read_bytes()
        for path in tiny_en.iterdir()
        if path.is_file() and not path.name.startswith(".")
    }
    with serving({"Systran/faster-whisper-tiny.en": real, "some/model": small()}) as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
        yield hub


@pytest.fixture
def visited(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make this a process that serves visitors the models of a list."""

    def serve(models: str) -> None:
        serving_now = threading.Event()
        serving_now.set()
        monkeypatch.setattr(allowlist, "_serving", serving_now)
        monkeypatch.setenv("ASR_MODELS", models)

    return serve


def models_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()} if folder.exists() else set()


def test_a_model_of_the_catalogue_comes_from_its_pinned_commit(
    hub: Hub, cache_folder: Path
) -> None:
    path = resolve("tiny.en")
    assert {file.name for file in path.iterdir()} == {
        "config.json", "model.bin", "tokenizer.json", "vocabulary.txt",
    }  # fmt: skip
    assert all(
        "/0d3d19a32d3338f10357c0889762bd8d64bbdeba/" in requested for requested in hub.requested
    )
    n_asked = len(hub.requested)
    assert resolve("tiny.en") == find_local("tiny.en") == path
    assert len(hub.requested) == n_asked, "a model that is here asks nobody"


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "vocabulary.txt", "model.bin"])
def test_an_altered_file_is_never_kept(hub: Hub, cache_folder: Path, name: str) -> None:
    files = dict(hub.repos["Systran/faster-whisper-tiny.en"])
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])
    hub.repos["Systran/faster-whisper-tiny.en"] = files
    with pytest.raises(ModelError, match=f"{name} is not the file it has to be"):
        resolve("tiny.en")
    assert models_in(cache_folder) == set()


def test_a_file_that_never_ends_is_cut_off_at_its_length(hub: Hub, cache_folder: Path) -> None:
    hub.endless.add("config.json")
    with pytest.raises(ModelError, match=r"config\.json is longer than it has to be"):
        resolve("tiny.en")
    assert hub.sent_bytes < 20e6
    assert models_in(cache_folder) == set()


def test_bytes_that_would_unpack_to_more_are_refused(hub: Hub, cache_folder: Path) -> None:
    hub.headers["Content-Encoding"] = "gzip"
    hub.repos["some/model"] = small() | {"config.json": gzip.compress(bytes(1_000_000))}
    with pytest.raises(ModelError, match="the hub has no"):
        resolve("some/model")


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_a_huge_file_is_refused_before_it_is_fetched(
    hub: Hub, cache_folder: Path, name: str
) -> None:
    hub.declared_bytes[name] = 20_000_000_000
    with pytest.raises(ModelError, match="larger than any Whisper model"):
        resolve("some/model")
    assert len(hub.requested) == 1


def test_only_files_an_engine_reads_are_fetched(hub: Hub, cache_folder: Path) -> None:
    others = ("README.md", "run.py", "pytorch_model.bin", "notes.json", "x.safetensors", "a/b.json")
    hub.repos["some/model"] = small() | dict.fromkeys(others, b"?")
    assert {file.name for file in resolve("some/model").iterdir()} == set(SMALL)


def test_a_hub_id_is_pinned_to_its_first_fetch(hub: Hub, cache_folder: Path) -> None:
    first = resolve("some/model")
    lock = json.loads((cache_folder / "models.lock").read_text())["models"]["some/model"]
    assert lock["revision"] == hub.commit
    assert set(lock["files"]) == set(SMALL)
    shutil.rmtree(first)
    hub.repos["some/model"] = dict(hub.repos["some/model"]) | {"tokenizer.json": b"[]"}
    with pytest.raises(ModelError, match=r"tokenizer\.json is not the file"):
        resolve("some/model")
    assert "some--model" not in models_in(cache_folder)


@pytest.mark.parametrize("text", ["", "[" * 100_000, '{"models": {"some/model": {"files": []}}}'])
def test_an_unreadable_lock_file_trusts_nothing(hub: Hub, cache_folder: Path, text: str) -> None:
    cache_folder.mkdir()
    (cache_folder / "models.lock").write_text(text)
    with pytest.raises(ModelError, match="cannot be read; repair it or delete it"):
        resolve("some/model")
    assert hub.requested == []


def test_a_truncated_model_in_the_cache_is_fetched_again(hub: Hub, cache_folder: Path) -> None:
    path = resolve("tiny.en")
    (path / "model.bin").write_bytes(b"half")
    assert find_local("tiny.en") is None
    assert (resolve("tiny.en") / "model.bin").stat().st_size > 1_000_000


def test_another_programs_copy_is_checked_and_no_request_made(
    hub: Hub, cache_folder: Path, tmp_path: Path, tiny_en: Path
) -> None:
    revision = "0d3d19a32d3338f10357c0889762bd8d64bbdeba"
    repo = tmp_path / "other" / "models--Systran--faster-whisper-tiny.en"
    copy = repo / "snapshots" / revision
    shutil.copytree(tiny_en, copy)
    assert (resolve("tiny.en") / "tokenizer.json").stat().st_size == 2_128_466
    assert hub.requested == []
    shutil.rmtree(cache_folder)
    with (copy / "tokenizer.json").open("ab") as file:
        file.write(b"\n")
    resolve("tiny.en")
    assert hub.downloads("tokenizer.json") == 1


def test_two_callers_share_one_fetch(hub: Hub, cache_folder: Path) -> None:
    hub.gate.clear()
    seen: list[Progress] = []
    with ThreadPoolExecutor(2) as pool:
        askers = [pool.submit(resolve, "some/model", seen.append) for _ in range(2)]
        while not seen:
            time.sleep(0.01)
        hub.gate.set()
        assert {asker.result() for asker in askers} == {cache_folder / "some--model"}
    assert hub.downloads("model.bin") == 1
    assert {progress.source for progress in seen} <= {"the hub", "its source",
        "another program's copy on this machine"}  # fmt: skip


def test_an_abandoned_fetch_ends(
    hub: Hub, cache_folder: Path, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    hub.endless.add("model.bin")
    hub.declared_bytes["model.bin"] = 6_000_000_000
    hub.repos["some/model"] = {"model.bin": b"", **SMALL}

    class Gone(BaseException):
        """An exception like the one by which Streamlit ends a page's run."""

    def leave(progress: Progress) -> None:
        if progress.done_mb > 1:
            # Not earlier: the fetch may start before its first caller waits.
            monkeypatch.setattr(fetch, "_ABANDON_AFTER_S", 0.0)
            raise Gone

    with pytest.raises(Gone):
        resolve("some/model", leave)
    eventually(lambda: not fetch._running)  # private: nothing public tells that it has ended
    assert models_in(cache_folder) == set()


def test_a_third_model_waits_for_the_first_two(hub: Hub, cache_folder: Path) -> None:
    hub.repos |= {f"some/{n}": small() for n in range(3)}
    hub.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        askers = [pool.submit(resolve, f"some/{n}") for n in range(2)]
        while len(fetch._running) < 2:  # private: requests do not tell how many fetches run
            time.sleep(0.01)
        with pytest.raises(ModelError, match="2 other models are being fetched"):
            resolve("some/2")
        hub.gate.set()
        for asker in askers:
            asker.result()


def test_a_disk_with_too_little_space_is_left_alone(
    hub: Hub, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake for the fault: the disk is nearly full."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: usage(1e9, 9e8, 1e8))
    with pytest.raises(ModelError, match="the disk has 100 MB free"):
        resolve("some/model")
    assert hub.sent_bytes == 0


def test_the_least_recently_used_models_are_evicted(
    hub: Hub, cache_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cache, "_RECENT_S", 0.0)
    hub.repos |= {f"some/{n}": small(1_000_000) for n in range(4)}
    for n in range(3):
        os.utime(resolve(f"some/{n}"), (n, n))
    monkeypatch.setenv("ASR_MAX_MODEL_CACHE_MB", "3.1")
    with lock_in_use(cache_folder / "some--0") as mark:
        assert mark is not None
        os.utime(cache_folder / "some--0", (0, 0))
        resolve("some/3")
        assert models_in(cache_folder) == {"some--0", "some--2", "some--3"}
    assert "some--1 was removed from the cache" in caplog.text
    monkeypatch.setenv("ASR_MAX_MODEL_CACHE_MB", "0.5")
    with pytest.raises(ModelError, match="does not fit"):
        resolve("some/1")
    assert models_in(cache_folder) == {"some--0", "some--2", "some--3"}


def test_visitors_get_listed_models_and_learn_nothing_else(
    hub: Hub, cache_folder: Path, tmp_path: Path, tiny_en: Path, visited: Callable[[str], None]
) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(tiny_en, mine)
    visited(f"tiny.en, {mine}")
    assert resolve("tiny.en").name == "tiny.en"
    assert resolve("mine") == mine
    others = [
        "base",
        "some/model",
        str(mine),
        "/etc",
        "/nowhere",
        "~root",
        "../..",
        "a\0b",
        "?" * 9999,
    ]
    for other in others:
        for ask in (find_local, resolve):
            with pytest.raises(ModelError) as caught:
                ask(other)
            assert str(caught.value) == allowlist.NOT_OFFERED
    assert not any("some/model" in requested for requested in hub.requested)


def test_a_recent_failure_is_not_retried_for_visitors(
    hub: Hub, cache_folder: Path, visited: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    visited("tiny.en")
    hub.repos["Systran/faster-whisper-tiny.en"] = SMALL
    for _ in range(3):
        with pytest.raises(ModelError, match="is not the file it has to be"):
            resolve("tiny.en")
    assert hub.downloads("config.json") == 1
    monkeypatch.setattr(fetch, "_RETRY_AFTER_S", 0.0)
    with pytest.raises(ModelError):
        resolve("tiny.en")
    assert hub.downloads("config.json") == 2


def test_visitors_do_not_decide_which_repository_is_trusted(
    hub: Hub, cache_folder: Path, visited: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    visited("some/model")
    with pytest.raises(ModelError, match="never fetched by whoever runs this app"):
        resolve("some/model")
    assert hub.requested == []
    with monkeypatch.context() as command_line:
        command_line.setattr(allowlist, "_serving", threading.Event())
        path = resolve("some/model")
    shutil.rmtree(path)
    assert resolve("some/model") == path


def test_every_model_can_be_offered_on_ones_own_machine(
    hub: Hub, cache_folder: Path, tiny_en: Path, visited: Callable[[str], None]
) -> None:
    visited("tiny.en,*")
    assert allowlist.read_allowlist().names == ("tiny.en",)
    assert resolve("some/model").name == "some--model"
    assert resolve(str(tiny_en)) == tiny_en


def test_models_that_fit_and_fetched_ones_are_offered_without_a_list(
    hub: Hub, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve("some/model")
    monkeypatch.delenv("ASR_MODELS", raising=False)
    names = allowlist.read_allowlist().names
    assert {"tiny.en", "base", "some/model"} <= set(names)
    (cache_folder / "large-v3").mkdir()
    assert "large-v3" in allowlist.read_allowlist().names


def test_two_directories_of_one_name_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / "a" / "mine", tmp_path / "b" / "mine", tmp_path / "base"]
    monkeypatch.setenv("ASR_MODELS", ",".join(map(str, folders)))
    offered = allowlist.read_allowlist()
    assert offered.names == ("mine", "mine (2)", "base (2)")
    assert offered.resolve_alias("mine (2)") == str(folders[1])
