"""Graphs are built once, and rebuilt if the cached one cannot be trusted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from asr_core.engines.onnx import graph_cache
from asr_core.engines.onnx.encoder import OnnxEncoder
from asr_core.engines.onnx.graph_cache import GraphCache
from asr_core.models import cache as model_cache
from asr_core.models.cache import folder_size_bytes, has_room, model_size_bytes, publish
from tests.unit.engines.onnx.small_model import N_FRAMES, N_MELS, random_arrays, write_model

MEL = np.random.default_rng(1).normal(size=(1, N_MELS, N_FRAMES)).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model", random_arrays())


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the graphs built so far."""
    made: list[str] = []
    keep = GraphCache._keep

    def record(self: GraphCache, name: str, graph: bytes) -> Path | bytes:
        made.append(name)
        return keep(self, name, graph)

    monkeypatch.setattr(GraphCache, "_keep", record)
    return made


def encode(model: Path) -> np.ndarray:
    return OnnxEncoder(model, GraphCache(model), n_threads=1)(MEL)


def kept(model: Path) -> list[Path]:
    return sorted((model / "graphs").iterdir())


def test_a_graph_is_built_once_and_then_reused(model: Path, builds: list[str]) -> None:
    first, second = encode(model), encode(model)
    assert builds == ["encoder"]
    assert np.array_equal(first, second)
    assert len(kept(model)) == 1


def test_no_graph_library_is_imported_if_the_graph_is_cached(model: Path) -> None:
    encode(model)
    code = (
        "import sys; from pathlib import Path;"
        "from asr_core.engines.onnx.encoder import OnnxEncoder;"
        "from asr_core.engines.onnx.graph_cache import GraphCache;"
        f"model = Path({str(model)!r}); OnnxEncoder(model, GraphCache(model), n_threads=1);"
        "assert 'onnx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("damage", ["cut short", "one bit", "empty", "other content"])
def test_a_damaged_graph_is_rebuilt(model: Path, builds: list[str], damage: str) -> None:
    first = encode(model)
    [path] = kept(model)
    content = bytearray(path.read_bytes())
    if damage == "one bit":
        content[len(content) // 2] ^= 1
    damaged = {"cut short": content[:-100], "empty": b"", "other content": b"no graph"}
    path.write_bytes(damaged.get(damage, content))
    assert np.array_equal(encode(model), first)
    assert builds == ["encoder", "encoder"]
    encode(model)
    assert builds == ["encoder", "encoder"]
    assert len(kept(model)) == 1


def test_a_foreign_file_with_a_matching_digest_is_rebuilt(model: Path, builds: list[str]) -> None:
    first = encode(model)
    [path] = kept(model)
    foreign = b"no graph at all"
    digest = graph_cache.hashlib.sha256(foreign).hexdigest()[:16]
    path.unlink()
    path.with_name(f"{path.stem[:-16]}{digest}.onnx").write_bytes(foreign)
    assert np.array_equal(encode(model), first)
    assert builds == ["encoder", "encoder"]
    assert kept(model) == [path]


def test_another_version_or_cpu_gets_its_own_graph(
    model: Path, builds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    encode(model)
    monkeypatch.setattr(graph_cache, "_code_digest", lambda: b"another release")
    encode(model)
    monkeypatch.setattr(graph_cache, "max_int8_weight", lambda: 1)
    encode(model)
    assert builds == ["encoder"] * 3
    assert len(kept(model)) == 2  # the oldest is gone


def test_other_weights_of_the_same_size_and_time_get_their_own_graph(
    model: Path, builds: list[str]
) -> None:
    first = encode(model)
    status = (model / "model.bin").stat()
    write_model(model, random_arrays(seed=5))
    os.utime(model / "model.bin", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not np.array_equal(encode(model), first)
    assert builds == ["encoder", "encoder"]


@pytest.mark.parametrize("obstacle", ["read-only", "a file in the way", "no room"])
def test_a_graph_that_cannot_be_cached_is_built_in_memory(
    model: Path, builds: list[str], monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    first = encode(model)
    [path] = kept(model)
    path.unlink()
    if obstacle == "read-only":
        monkeypatch.setattr(graph_cache, "write_atomically", refuse)
    elif obstacle == "no room":
        monkeypatch.setattr(graph_cache, "has_room", lambda *_: False)
    else:
        path.parent.rmdir()
        path.parent.write_text("not a folder")
    for _ in range(2):
        assert np.array_equal(encode(model), first)
    assert builds == ["encoder"] * 3


def test_two_processes_may_build_a_graph_at_once(model: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from asr_core.engines.onnx.encoder import OnnxEncoder;"
        "from asr_core.engines.onnx.graph_cache import GraphCache;"
        f"model = Path({str(model)!r}); sys.stdin.read(1);"
        "OnnxEncoder(model, GraphCache(model), n_threads=1)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) for _ in range(2)
    ]
    for process in processes:
        process.communicate(b"\n", timeout=60)
    assert [process.returncode for process in processes] == [0, 0]
    [path] = kept(model)
    onnxruntime.InferenceSession(path)


def test_cached_graphs_count_in_the_cache_but_not_in_the_model(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_MODELS_DIR", str(tmp_path))
    before = folder_size_bytes(model)
    encode(model)
    [path] = kept(model)
    size = path.stat().st_size + path.parent.stat().st_size
    assert folder_size_bytes(model) == before + size
    assert model_size_bytes(model) == before
    room = (folder_size_bytes(tmp_path) + size + 100) / 1e6
    monkeypatch.setenv("ASR_MAX_MODEL_CACHE_MB", str(room))
    assert has_room(model, size)
    assert not has_room(model, size + 200)


def test_graphs_of_a_converted_copy_do_not_count_in_the_model(tmp_path: Path) -> None:
    converted = write_model(tmp_path / "model" / "ctranslate2", random_arrays())
    before = model_size_bytes(tmp_path / "model")
    encode(converted)
    assert model_size_bytes(tmp_path / "model") == before


def test_an_evicted_model_takes_its_graphs_along(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_MODELS_DIR", str(tmp_path))
    own = folder_size_bytes(model)
    encode(model)
    os.utime(model, (0, 0))  # long unused
    limit_mb = (own + 1000) / 1e6
    monkeypatch.setenv("ASR_MAX_MODEL_CACHE_MB", str(limit_mb))
    model_cache.reserve_space(1000)  # there is room but for the graphs
    assert not model.exists()


def test_a_broken_model_does_not_look_whole_for_its_graphs(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode(model)
    fetched = write_model(tmp_path / "fetched", random_arrays())
    whole = (fetched / "model.bin").read_bytes()
    (model / "model.bin").write_bytes(whole[:-1000])
    monkeypatch.setattr(model_cache, "find_missing_file", lambda _: None)
    publish(fetched, model)
    assert (model / "model.bin").read_bytes() == whole
    assert not (model / "graphs").exists()
