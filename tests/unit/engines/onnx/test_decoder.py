"""The decoder computes what plain NumPy does, up to 8 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr_core.engines.onnx.decoder import OnnxDecoder
from asr_core.engines.onnx.graph_cache import GraphCache
from tests.unit.engines.onnx import reference
from tests.unit.engines.onnx.small_graphs import ARRAYS, error, random
from tests.unit.engines.onnx.small_model import ALIGNMENT_HEADS, SUPPRESSED, WIDTH, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("reference") / "model", ARRAYS)


@pytest.fixture(scope="module")
def decoder(model: Path) -> OnnxDecoder:
    return OnnxDecoder(model, GraphCache(model), n_threads=1)


def test_the_decoder_is_near_the_float_one(decoder: OnnxDecoder) -> None:
    encoded, tokens = random(1, 48, WIDTH), [1, 5, 9, 2, 8]
    output = decoder.prefill(np.array([tokens]), encoded, positions=range(5))
    logits, attentions = reference.decode(ARRAYS, tokens, encoded[0])
    logits[:, SUPPRESSED] = -1e9
    exact = reference.log_softmax(logits)
    ours = output.logprobs.numpy()[0]
    is_allowed = ~np.isin(np.arange(exact.shape[1]), SUPPRESSED)
    assert error(ours[:, is_allowed], exact[:, is_allowed]) < 0.05
    assert (ours[:, SUPPRESSED] < -1e6).all()
    heads = np.stack([attentions[layer][head] for layer, head in ALIGNMENT_HEADS])
    attention = output.attention[0] / output.attention[0].sum(axis=-1, keepdims=True)
    assert error(attention, heads) < 0.1


def test_decoding_step_by_step_equals_decoding_at_once(decoder: OnnxDecoder) -> None:
    encoded, tokens = random(2, 48, WIDTH), np.array([[1, 5, 9, 2], [1, 5, 4, 6]])
    at_once = decoder.prefill(tokens, encoded, positions=[3])
    cache = decoder.new_cache(encoded)
    for i in range(4):
        output = decoder.step(
            tokens[:, i : i + 1],
            cache,
            parent_rows=[0, 0] if i == 0 else [0, 1],
            rows_per_window=[1, 1],
            positions=[0],
        )
        cache = output.cache
    apart = np.abs(output.logprobs.numpy() - at_once.logprobs.numpy())
    assert apart[at_once.logprobs.numpy() > -1e6].mean() < 0.15
    assert cache.n_tokens == 4


def test_rows_follow_their_parents_and_windows(decoder: OnnxDecoder) -> None:
    encoded = random(2, 48, WIDTH)
    first = decoder.prefill(np.array([[1, 5], [1, 9]]), encoded, positions=[1])
    step = {"parent_rows": [0, 0, 1], "rows_per_window": [2, 1], "positions": [0]}
    both = decoder.step(np.array([[2], [8], [2]]), first.cache, **step)
    texts = ([1, 5, 2], [1, 5, 8], [1, 9, 2])
    for row, (text, window) in enumerate(zip(texts, (0, 0, 1), strict=True)):
        logits, _ = reference.decode(ARRAYS, text, encoded[window])
        exact = reference.log_softmax(np.delete(logits[-1], SUPPRESSED))
        ours = np.delete(both.logprobs.numpy()[row, 0], SUPPRESSED)
        assert error(ours, exact) < 0.05
    alone = both.cache.without_window(0).cross_attention[0]
    assert len(alone.keys) == 1
