from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from asr_core.errors import ModelError
from asr_core.models.ctranslate2_format import (
    FloatArrays,
    ensure_ctranslate2,
    read_arrays,
    read_config,
)


def test_every_array_is_read(tiny_en: Path) -> None:
    arrays = read_arrays(tiny_en / "model.bin")
    assert arrays["decoder/embeddings/weight"].shape == (51864, 384)
    assert arrays["decoder/projection/weight"] is arrays["decoder/embeddings/weight"]
    assert len(arrays) == 149


def test_damage_gets_one_sentence(tiny_en: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    data = (tiny_en / "model.bin").read_bytes()
    for broken in (b"", b"\x06\0\0\0", b"\x07" + data[1:100], data[: len(data) // 2]):
        path.write_bytes(broken)
        with pytest.raises(ModelError):
            read_arrays(path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ModelError, match=r"config\.json"):
        read_config(tmp_path)


def test_a_model_in_the_right_format_is_used_in_place(tiny_en: Path) -> None:
    assert ensure_ctranslate2(tiny_en) == tiny_en


def written(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Write a ``model.bin`` by hand: the header, each array, no aliases."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    kinds = {"float32": 0, "int8": 1, "float16": 4}
    data = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, array in arrays.items():
        data += text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        data += struct.pack("<BI", kinds[array.dtype.name], array.nbytes) + array.tobytes()
    path.write_bytes(data + struct.pack("<I", 0))
    return path


def test_arrays_are_read_as_float_one_by_one(tmp_path: Path) -> None:
    whole = np.random.default_rng(2).normal(size=(3, 8)).astype(np.float32)
    scale = 127 / np.abs(whole).max(axis=1)
    arrays = {
        "a/weight": np.rint(whole * scale[:, None]).astype(np.int8),
        "a/weight_scale": scale.astype(np.float32),
        "b": whole.astype(np.float16),
        "heads": np.array(6, np.int8),
    }
    path = written(tmp_path / "model.bin", arrays)
    floats = FloatArrays(path)
    assert set(floats) == set(arrays) and len(floats) == 4
    assert floats["a/weight"].dtype == floats["b"].dtype == np.float32
    assert floats["a/weight"] == pytest.approx(whole, abs=0.02)
    assert floats["b"] == pytest.approx(whole, abs=0.002)
    assert int(floats["heads"]) == 6
    which = np.array([[2, 0]])
    for name in ("a/weight", "b"):
        assert floats.rows(name, which) == pytest.approx(floats[name][which])
    assert read_arrays(path)["b"].dtype == np.float16
