"""Each block of the graphs computes what plain NumPy does, up to 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from asr_core.engines.cpu_features import max_int8_weight
from asr_core.engines.onnx import decoder_graph, encoder_graph
from asr_core.engines.onnx.decoder import OnnxDecoder
from asr_core.engines.onnx.encoder import OnnxEncoder
from asr_core.engines.onnx.graph_cache import GraphCache
from asr_core.engines.onnx.layers import GELU_LOWER_BOUND, TransformerGraph
from asr_core.engines.onnx.quantization import QuantizedWeight
from asr_core.engines.onnx.session import create_session
from tests.unit.engines.onnx import reference
from tests.unit.engines.onnx.small_model import (
    ALIGNMENT_HEADS,
    N_FRAMES,
    N_HEADS,
    N_MELS,
    SUPPRESSED,
    WIDTH,
    random_arrays,
    write_model,
)

ARRAYS = random_arrays()
Build = Callable[[TransformerGraph], list[str]]


def rng() -> np.random.Generator:
    return np.random.default_rng(2)


def random(*shape: int) -> np.ndarray:
    return rng().normal(size=shape).astype(np.float32)


def run(build: Build, dtypes: dict[str, int] | None = None, **inputs: np.ndarray) -> list:
    """Run a graph of a few nodes; its inputs are named as the arrays."""
    graph = TransformerGraph(ARRAYS, N_HEADS, WIDTH)
    infos = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), list(array.shape)
        )
        for name, array in inputs.items()
    ]
    outputs = build(graph)
    session = create_session(graph.serialize(infos, outputs, dtypes), n_threads=1)
    return session.run(None, inputs)


def error(ours: np.ndarray, exact: np.ndarray) -> float:
    """Return the relative distance of two arrays of one shape."""
    assert ours.shape == exact.shape
    return float(np.linalg.norm(ours - exact) / np.linalg.norm(exact))


# --- exact blocks --------------------------------------------------------------------


def test_layer_norm() -> None:
    x, name = random(1, 9, WIDTH), "encoder/layer_norm"
    [ours] = run(lambda graph: [graph.layer_norm("x", name)], x=x)
    assert np.allclose(ours, reference.layer_norm(ARRAYS, name, x), atol=1e-5)


def test_gelu_and_its_lower_bound() -> None:
    x = np.linspace(-6, 6, 4801, dtype=np.float32)
    [ours] = run(lambda graph: [graph.gelu("x")], x=x)
    assert np.allclose(ours, reference.gelu(x), atol=1e-6)
    assert GELU_LOWER_BOUND - 0.001 < -ours.min() < GELU_LOWER_BOUND


def test_heads_are_split_and_merged() -> None:
    x = random(1, 9, WIDTH)
    heads, merged = run(
        lambda graph: [split := graph.split_heads("x"), graph.merge_heads(split)], x=x
    )
    assert np.array_equal(heads[0], reference.split_heads(x[0], N_HEADS))
    assert np.array_equal(merged, x)


def test_row_scales_are_the_maxima_but_not_below_their_bound() -> None:
    x = np.array([[0.5, 3, -0.1], [0.01, 0.02, 0]], np.float32)
    [ours] = run(lambda graph: [graph.row_scales("x", 0.17)], x=x)
    assert np.array_equal(ours, np.array([[3], [0.17]], np.float32))


# --- 8 bits --------------------------------------------------------------------------


def test_weights_come_back_from_their_integers() -> None:
    weight = random(7, 64)
    weight[3] = 0
    quantized = QuantizedWeight.from_float(weight)
    assert np.abs(quantized.integers).max() <= max_int8_weight()
    back = quantized.integers * quantized.scales[:, None]
    assert (np.abs(back - weight) <= quantized.scales[:, None] / 2 + 1e-6).all()


@pytest.mark.parametrize("is_transposed", [False, True])
def test_keys_and_values_come_back_from_their_integers(is_transposed: bool) -> None:
    x = random(1, 9, WIDTH) * np.geomspace(0.1, 10, WIDTH, dtype=np.float32)
    names = ("integers", "scales")
    integers, scales = run(
        lambda graph: list(graph.quantize_per_channel("x", names, is_transposed=is_transposed)),
        {"integers": TensorProto.INT8},
        x=x,
    )
    if is_transposed:
        integers = integers.transpose(0, 1, 3, 2)
    heads = reference.split_heads(x[0], N_HEADS)
    assert (np.abs(integers[0] * scales[0] - heads) <= scales[0] / 2 + 1e-6).all()


def test_a_linear_layer_is_near_the_float_one() -> None:
    x, name = random(1, 9, WIDTH), "encoder/layer_0/ffn/linear_0"
    [ours] = run(lambda graph: [graph.linear("x", graph.load_linear(name))], x=x)
    assert error(ours, reference.linear(ARRAYS, name, x)) < 0.02


def test_a_scale_for_each_row_keeps_small_rows_beside_a_large_one() -> None:
    x, name = np.abs(random(1, 9, WIDTH)), "encoder/layer_0/ffn/linear_0"
    x[0, 4] *= 300

    def build(graph: TransformerGraph) -> list[str]:
        params = graph.load_linear(name)
        scales = graph.row_scales("x", 0.1)
        return [graph.linear("x", params), graph.linear_per_row("x", params, scales)]

    shared, per_row = run(build, x=x)
    exact = reference.linear(ARRAYS, name, x)
    small = np.arange(9) != 4
    assert error(per_row[0, small], exact[0, small]) < 0.03
    assert error(shared[0, small], exact[0, small]) > 0.3


def test_attention_output_is_near_softmax_times_values() -> None:
    scores = 3 * random(1, N_HEADS, 5, 40)
    values = rng().integers(-63, 64, (1, N_HEADS, 40, 16), np.int8)
    output, attention = run(
        lambda graph: list(graph.attention_output("scores", "values")),
        scores=scores,
        values=values,
    )
    exact = reference.softmax(scores)
    assert np.allclose(attention / attention.sum(axis=-1, keepdims=True), exact, atol=1e-6)
    assert np.allclose(attention.max(axis=-1), 1)
    assert error(output, exact @ values) < 0.02


def test_feed_forward_is_near_the_float_one() -> None:
    x, name = random(1, 9, WIDTH), "decoder/layer_1/ffn"
    [ours] = run(lambda graph: graph.feed_forward(["x"], name), x=x)
    assert error(ours - x, reference.feed_forward(ARRAYS, name, x)) < 0.03


def test_the_convolutions_are_near_the_float_ones() -> None:
    mel = random(1, N_MELS, N_FRAMES)
    [ours] = run(lambda graph: [encoder_graph._convolutions(graph, "mel")], mel=mel)
    x = reference.gelu(reference.convolution(ARRAYS, "encoder/conv1", mel[0], stride=1))
    x = reference.gelu(reference.convolution(ARRAYS, "encoder/conv2", x, stride=2))
    assert error(ours[0], x.T) < 0.03


def test_the_encoders_self_attention_is_near_the_float_one() -> None:
    x, name = random(1, 48, WIDTH), "encoder/layer_0/self_attention"

    def build(graph: TransformerGraph) -> list[str]:
        sizes = graph.constant(np.full(encoder_graph._QUERY_CHUNKS, 3))
        return [encoder_graph._self_attention(graph, "x", name, sizes)]

    [ours] = run(build, x=x)
    exact = reference.self_attention(ARRAYS, name, x[0], N_HEADS, is_causal=False)
    assert error(ours[0], exact) < 0.05


def test_transposed_scores_are_near_the_float_ones() -> None:
    queries = random(1, N_HEADS, 5, 16)
    keys = rng().integers(128 - 63, 128 + 64, (1, N_HEADS, 40, 16), np.uint8)
    [ours] = run(
        lambda graph: [decoder_graph._scores(graph, "queries", "keys")],
        queries=queries,
        keys=keys,
    )
    exact = queries @ (keys.astype(np.float32) - 128).transpose(0, 1, 3, 2)
    assert error(ours, exact) < 0.02


# --- the model as a whole ------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("reference") / "model", ARRAYS)


@pytest.fixture(scope="module")
def decoder(model: Path) -> OnnxDecoder:
    return OnnxDecoder(model, GraphCache(model), n_threads=1)


def test_the_encoder_is_near_the_float_one(model: Path) -> None:
    mel = random(2, N_MELS, N_FRAMES)
    ours = OnnxEncoder(model, GraphCache(model), n_threads=1)(mel)
    exact = np.stack([reference.encode(ARRAYS, window) for window in mel])
    assert error(ours, exact) < 0.05


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


def test_a_truncated_cache_continues_as_a_shorter_one(decoder: OnnxDecoder) -> None:
    encoded = random(1, 48, WIDTH)
    long = decoder.prefill(np.array([[1, 5, 9, 2]]), encoded, positions=[3]).cache
    short = decoder.prefill(np.array([[1, 5]]), encoded, positions=[1]).cache
    truncated = long.truncate(2)
    assert truncated.n_tokens == short.n_tokens == 2
    for ours, exact in zip(truncated.self_attention, short.self_attention, strict=True):
        assert error(ours.keys.numpy(), exact.keys.numpy()) < 0.05
        assert error(ours.values.numpy(), exact.values.numpy()) < 0.05


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
