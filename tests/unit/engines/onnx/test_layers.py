"""Blocks of the graphs compute what plain NumPy does, exactly or up to 8 bits."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto

from asr_core.engines.onnx.layers import GELU_LOWER_BOUND, TransformerGraph
from tests.unit.engines.onnx import reference
from tests.unit.engines.onnx.small_graphs import ARRAYS, error, random, rng, run
from tests.unit.engines.onnx.small_model import N_HEADS, WIDTH


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
