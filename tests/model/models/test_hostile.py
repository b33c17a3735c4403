"""Hostile model files: one sentence each, for every engine."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from asr_core.engines import load_engine
from asr_core.engines.base import EngineName
from asr_core.errors import ModelError

DEEP = "[" * 100_000 + "]" * 100_000
ENGINES: tuple[EngineName, ...] = ("onnx", "ctranslate2", "transformers")


@pytest.fixture
def altered(tiny_en: Path, tmp_path: Path) -> Callable[[str, bytes | str], Path]:
    """Return tiny.en with one file replaced."""

    def alter(name: str, data: bytes | str) -> Path:
        folder = tmp_path / "model"
        folder.mkdir()
        for path in tiny_en.iterdir():
            if path.is_file() and not path.name.startswith("."):
                (folder / path.name).symlink_to(path)
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
        return folder

    return alter


def one_sentence(folder: Path, engine: EngineName) -> None:
    with pytest.raises(ModelError) as caught:
        load_engine(folder, engine)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "data", [DEEP, "[]", "", "{", '{"a": ' * 50_000, " " * 2_000_000 + "{}", b"\xff\xfe\x00"],
    ids=["deep", "list", "empty", "cut", "deep objects", "long", "bytes"],
)  # fmt: skip
def test_a_hostile_config_is_refused(
    altered: Callable[..., Path], data: bytes | str, engine: EngineName
) -> None:
    one_sentence(altered("config.json", data), engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["tokenizer.json", "vocabulary.json", "generation_config.json"])
def test_other_hostile_json_is_refused(
    altered: Callable[..., Path], name: str, engine: EngineName
) -> None:
    one_sentence(altered(name, DEEP), engine)


@pytest.mark.parametrize(
    "change",
    [
        {"alignment_heads": "none"},
        {"alignment_heads": [[99, 99]]},
        {"alignment_heads": [[[[0]]]]},
        {"suppress_ids": {"a": 1}},
        {"suppress_ids": [10**12]},
    ],
)
def test_a_config_of_wrong_types_is_refused(
    altered: Callable[..., Path], tiny_en: Path, change: dict[str, object]
) -> None:
    config = json.loads((tiny_en / "config.json").read_text())
    one_sentence(altered("config.json", json.dumps(config | change)), "onnx")


def _header(n_arrays: int) -> bytes:
    return struct.pack("<IH", 6, 12) + b"WhisperSpec\0" + struct.pack("<II", 3, n_arrays)


def _array(name: str, shape: tuple[int, ...], data: bytes) -> bytes:
    text = name.encode() + b"\0"
    head = struct.pack(f"<H{len(text)}sB{len(shape)}I", len(text), text, len(shape), *shape)
    return head + struct.pack("<BI", 1, len(data)) + data


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "weights",
    [
        b"",
        _header(0),
        _header(2**32 - 1) + _array("a", (), b"1") * 1000,
        _header(1) + _array("a", (2**31,), b"1"),
        _header(1) + _array("a", (1,) * 255, b"1"),
        _header(1) + _array("encoder/conv1/weight", (3,), b"111"),
    ],
    ids=["empty", "no arrays", "too many", "larger than told", "dimensions", "other arrays"],
)
def test_hostile_weights_are_refused(
    altered: Callable[..., Path], weights: bytes, engine: EngineName
) -> None:
    one_sentence(altered("model.bin", weights), engine)


def test_weights_with_a_truncated_last_array_are_refused(
    altered: Callable[..., Path], tiny_en: Path
) -> None:
    whole = (tiny_en / "model.bin").read_bytes()
    one_sentence(altered("model.bin", whole[:-1_000_000]), "onnx")
