"""What is fetched is what was pinned, no more of it, and only what may be."""

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
from asr_core.models import Progress, allowed, cache, fetch, find_local, resolve
from asr_core.models.cache import mark_in_use
from tests.models.hub import Hub, serving

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
        path.name: path.read_bytes() for path in tiny_en.iterdir() if not path.name.startswith(".")
    }
    with serving({"Systran/faster-whisper-tiny.en": real, "some/model": small()}) as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
        yield hub


@pytest.fixture
def visited(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Be a process that serves visitors, with that list."""

    def serve(models: str) -> None:
        serving_now = threading.Event()
        serving_now.set()
        monkeypatch.setattr(allowed, "_serving", serving_now)
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
    assert all("/0d3d19a32d3338f10357c0889762bd8d64bbdeba/" in asked for asked in hub.asked)
    n_asked = len(hub.asked)
    assert resolve("tiny.en") == find_local("tiny.en") == path
    assert len(hub.asked) == n_asked, "a model that is here asks nobody"


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
def test_a_giant_is_refused_before_any_of_it_comes(hub: Hub, cache_folder: Path, name: str) -> None:
    hub.told_bytes[name] = 20_000_000_000
    with pytest.raises(ModelError, match="larger than any Whisper model"):
        resolve("some/model")
    assert len(hub.asked) == 1


def test_only_what_an_engine_reads_is_fetched(hub: Hub, cache_folder: Path) -> None:
    others = ("README.md", "run.py", "pytorch_model.bin", "notes.json", "x.safetensors", "a/b.json")
    hub.repos["some/model"] = small() | dict.fromkeys(others, b"?")
    assert {file.name for file in resolve("some/model").iterdir()} == set(SMALL)


def test_a_hub_id_is_held_to_what_was_fetched_first(hub: Hub, cache_folder: Path) -> None:
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
def test_a_lock_file_that_cannot_be_read_trusts_nothing(
    hub: Hub, cache_folder: Path, text: str
) -> None:
    cache_folder.mkdir()
    (cache_folder / "models.lock").write_text(text)
    with pytest.raises(ModelError, match="cannot be read; repair it or delete it"):
        resolve("some/model")
    assert hub.asked == []


def test_a_model_cut_short_in_the_cache_is_fetched_again(hub: Hub, cache_folder: Path) -> None:
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
    assert hub.asked == []
    shutil.rmtree(cache_folder)
    with (copy / "tokenizer.json").open("ab") as file:
        file.write(b"\n")
    resolve("tiny.en")
    assert hub.downloads("tokenizer.json") == 1


def test_two_who_ask_share_one_fetch(hub: Hub, cache_folder: Path) -> None:
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


def test_a_fetch_that_nobody_waits_for_ends(
    hub: Hub, cache_folder: Path, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    monkeypatch.setattr(fetch, "_ABANDONED_S", 0.0)
    hub.endless.add("model.bin")
    hub.told_bytes["model.bin"] = 6_000_000_000
    hub.repos["some/model"] = {"model.bin": b"", **SMALL}

    class Gone(BaseException):
        """As Streamlit ends the run of a page."""

    def leave(progress: Progress) -> None:
        if progress.done_mb > 1:
            raise Gone

    with pytest.raises(Gone):
        resolve("some/model", leave)
    eventually(lambda: not fetch._running)
    assert models_in(cache_folder) == set()


def test_a_third_model_waits_until_others_are_here(hub: Hub, cache_folder: Path) -> None:
    hub.repos |= {f"some/{n}": small() for n in range(3)}
    hub.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        askers = [pool.submit(resolve, f"some/{n}") for n in range(2)]
        while len(fetch._running) < 2:
            time.sleep(0.01)
        with pytest.raises(ModelError, match="2 other models are being fetched"):
            resolve("some/2")
        hub.gate.set()
        for asker in askers:
            asker.result()


def test_a_disk_with_too_little_room_is_left_alone(
    hub: Hub, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake for the fault: a disk that is nearly full."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: usage(1e9, 9e8, 1e8))
    with pytest.raises(ModelError, match="the disk has 100 MB free"):
        resolve("some/model")
    assert hub.sent_bytes == 0


def test_the_least_used_models_make_room(
    hub: Hub, cache_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cache, "_FRESH_S", 0.0)
    hub.repos |= {f"some/{n}": small(1_000_000) for n in range(4)}
    for n in range(3):
        os.utime(resolve(f"some/{n}"), (n, n))
    monkeypatch.setenv("ASR_MODELS_MAX_MB", "3.1")
    with mark_in_use(cache_folder / "some--0") as mark:
        assert mark is not None
        os.utime(cache_folder / "some--0", (0, 0))
        resolve("some/3")
        assert models_in(cache_folder) == {"some--0", "some--2", "some--3"}
    assert "some--1 was removed from the cache" in caplog.text
    monkeypatch.setenv("ASR_MODELS_MAX_MB", "0.5")
    with pytest.raises(ModelError, match="does not fit"):
        resolve("some/1")
    assert models_in(cache_folder) == {"some--0", "some--2", "some--3"}


def test_visitors_get_what_is_on_the_list_and_learn_nothing_else(
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
            assert str(caught.value) == allowed.NOT_OFFERED
    assert not any("some/model" in asked for asked in hub.asked)


def test_what_failed_just_now_is_not_downloaded_again_for_visitors(
    hub: Hub, cache_folder: Path, visited: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    visited("tiny.en")
    hub.repos["Systran/faster-whisper-tiny.en"] = SMALL
    for _ in range(3):
        with pytest.raises(ModelError, match="is not the file it has to be"):
            resolve("tiny.en")
    assert hub.downloads("config.json") == 1
    monkeypatch.setattr(fetch, "_RETRY_S", 0.0)
    with pytest.raises(ModelError):
        resolve("tiny.en")
    assert hub.downloads("config.json") == 2


def test_visitors_do_not_decide_which_repository_is_trusted(
    hub: Hub, cache_folder: Path, visited: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    visited("some/model")
    with pytest.raises(ModelError, match="never fetched by whoever runs this app"):
        resolve("some/model")
    assert hub.asked == []
    with monkeypatch.context() as command_line:
        command_line.setattr(allowed, "_serving", threading.Event())
        path = resolve("some/model")
    shutil.rmtree(path)
    assert resolve("some/model") == path


def test_on_a_machine_of_ones_own_everything_can_be_offered(
    hub: Hub, cache_folder: Path, tiny_en: Path, visited: Callable[[str], None]
) -> None:
    visited("tiny.en,*")
    assert allowed.offer().names == ("tiny.en",)
    assert resolve("some/model").name == "some--model"
    assert resolve(str(tiny_en)) == tiny_en


def test_without_a_list_what_fits_and_what_is_here_is_offered(
    hub: Hub, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve("some/model")
    monkeypatch.delenv("ASR_MODELS", raising=False)
    names = allowed.offer({}).names
    assert {"tiny.en", "base", "some/model"} <= set(names)
    (cache_folder / "large-v3").mkdir()
    assert "large-v3" in allowed.offer({}).names


def test_two_directories_of_one_name_are_told_apart(tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "mine", tmp_path / "b" / "mine", tmp_path / "base"]
    offered = allowed.offer({"ASR_MODELS": ",".join(map(str, folders))})
    assert offered.names == ("mine", "mine (2)", "base (2)")
    assert offered.meant("mine (2)") == str(folders[1])
