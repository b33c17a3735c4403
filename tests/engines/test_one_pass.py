from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.engines.one_pass import renamed, start_first
from asr_core.models.convert import read_arrays


@given(st.lists(st.integers(0, 60)), st.integers(1, 60))
def test_renaming_twice_changes_nothing(tokens: list[int], start: int) -> None:
    assert renamed(renamed(tokens, start), start) == tokens


@pytest.mark.parametrize("name", ["tiny_en", "base"])
def test_the_copy_is_the_model_with_two_tokens_exchanged(
    name: str, request: pytest.FixtureRequest
) -> None:
    directory: Path = request.getfixturevalue(name)
    tokens = (directory / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    start = tokens.index("<|startoftranscript|>")
    with start_first(directory) as copy:
        there = (copy / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
        before, after = read_arrays(directory / "model.bin"), read_arrays(copy / "model.bin")
        config = json.loads((copy / "config.json").read_text())
    assert [there[0], there[start]] == [tokens[start], tokens[0]]
    assert 0 in config["suppress_ids"] and start not in config["suppress_ids"]
    assert before.keys() == after.keys()
    order = np.arange(len(before["decoder/embeddings/weight"]))
    order[[0, start]] = start, 0
    for key, array in before.items():
        by_token = key.startswith(("decoder/embeddings", "decoder/projection"))
        assert np.array_equal(array[order] if by_token else array, after[key])
    assert not copy.exists()
