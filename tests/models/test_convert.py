from __future__ import annotations

from pathlib import Path

import pytest

from asr_core.errors import ModelError
from asr_core.models.convert import as_ctranslate2, read_arrays, read_config


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


def test_what_is_in_the_right_format_stays_where_it_is(tiny_en: Path) -> None:
    assert as_ctranslate2(tiny_en) == tiny_en
