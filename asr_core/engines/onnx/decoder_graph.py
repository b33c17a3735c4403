"""Whisper's decoder as two ONNX graphs: the cross-attention cache, and one step.

Keys and values of the audio are in 8 bits, being most of what a step reads from memory.
Self-attention is in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from asr_core.engines.cpu_features import max_int8_weight
from asr_core.engines.onnx.dimensions import EMBEDDINGS, DecoderDimensions
from asr_core.engines.onnx.kv_cache import CrossAttentionCache, SelfAttentionCache
from asr_core.engines.onnx.layers import MIN_SCALE, UINT8_ZERO_POINT, Arrays, TransformerGraph
from asr_core.engines.onnx.quantization import QuantizedWeight
from asr_core.engines.onnx.smoothquant import smoothing_factors

__all__ = ["cross_attention_graph", "decoder_graph"]

_SUPPRESSED_LOGIT = -1e9


def cross_attention_graph(arrays: Arrays, dimensions: DecoderDimensions) -> bytes:
    """Build the cross-attention cache of one window.

    ``encoded`` (1, n_frames, width) → by layer the fields of
    :class:`~asr_core.engines.onnx.kv_cache.CrossAttentionCache`.

    Args:
        arrays: the model's float weights by CTranslate2's names.
        dimensions: of the decoder.
    """
    width = dimensions.width
    graph = TransformerGraph(arrays, dimensions.n_heads, width)
    outputs: list[str] = []
    dtypes: dict[str, int] = {}
    for i in range(dimensions.n_layers):
        block = f"decoder/layer_{i}/attention/linear_1"
        names = CrossAttentionCache.tensor_names(i)
        keys = graph.linear("encoded", graph.load_linear(block, slice(0, width)))
        outputs += graph.quantize_per_channel(keys, names[:2], UINT8_ZERO_POINT)
        values = graph.linear("encoded", graph.load_linear(block, slice(width, 2 * width)))
        outputs += graph.quantize_per_channel(values, names[2:])
        dtypes |= {names[0]: TensorProto.UINT8, names[2]: TensorProto.INT8}
    shape = (1, "n_frames", width)
    encoded = helper.make_tensor_value_info("encoded", TensorProto.FLOAT, shape)
    return graph.serialize([encoded], outputs, dtypes)


def decoder_graph(
    arrays: Arrays,
    dimensions: DecoderDimensions,
    *,
    suppressed: Sequence[int],
    n_best: int,
    alignment_heads: Sequence[tuple[int, int]],
) -> bytes:
    """Build one decoder step over the new tokens of every row.

    A row is one hypothesis, a window one stretch of audio; rows of the same window share
    its cross-attention cache.

    Inputs besides the caches:
        ``hidden`` (n_rows, n_new, width): embeddings of the new tokens with positions.
        ``mask`` (n_new, n_all): added to self-attention's scores.
        ``parent_rows`` (n_rows,): the cached row that each row continues.
        ``positions`` (n_selected,): new positions whose next tokens are wanted.
        ``window_rows`` (n_windows, n_slots): the rows of each window; padded.
        ``row_slots`` (n_rows,): each row's place in ``window_rows``, flattened.

    Outputs: ``logprobs`` (n_rows, n_selected, n_vocabulary), ``top_logprobs`` and
    ``top_tokens`` (n_rows, n_selected, n_best), ``selected_hidden`` (n_rows, n_selected,
    width), ``attention`` (n_windows, n_alignment_heads, n_slots * n_new, n_frames), and the
    self-attention caches, their names ending in ``.next``.

    Args:
        arrays: the model's float weights by CTranslate2's names.
        dimensions: of the decoder.
        suppressed: tokens that are never generated.
        n_best: tokens to return for each position, likeliest first.
        alignment_heads: (layer, head) of those that follow the audio.
    """
    d = dimensions
    projection = _OutputProjection.from_arrays(arrays)
    graph = TransformerGraph(arrays, d.n_heads, d.width)
    _add_shapes(graph, d)
    x, caches, attentions = "hidden", [], []
    for i in range(d.n_layers):
        x, new_cache = _self_attention(graph, x, i)
        caches += new_cache
        x, attention = _cross_attention(graph, x, i)
        heads = [head for layer, head in alignment_heads if layer == i]
        if heads:
            attentions.append(graph.add("Gather", [attention, graph.constant(heads)], axis=1))
        [x] = graph.feed_forward([x], f"decoder/layer_{i}/ffn")
    graph.add("Concat", attentions, "attention", axis=1)
    x = graph.add("Gather", [x, "positions"], "positions.hidden", axis=1)
    x = graph.layer_norm(x, "decoder/layer_norm")
    x = graph.add("Identity", [x], "selected_hidden")
    logits = _logits(graph, x, projection, suppressed)
    graph.add("LogSoftmax", [logits], "logprobs", axis=-1)
    count = graph.weight("n_best", np.array([n_best]))
    top = ["top_logprobs", "top_tokens"]
    graph.nodes.append(helper.make_node("TopK", ["logprobs", count], top))
    outputs = ["logprobs", *top, "selected_hidden", "attention", *caches]
    return graph.serialize(_inputs(d), outputs, {"top_tokens": TensorProto.INT64})


@dataclass(frozen=True)
class _OutputProjection:
    """Token embeddings as the last linear layer, smoothed.

    Attributes:
        weight: (n_vocabulary, width), its columns multiplied by the factors.
        factors: (width,) that the layer's input is divided by.
    """

    weight: QuantizedWeight
    factors: NDArray[np.float32]

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> _OutputProjection:
        embeddings = arrays[EMBEDDINGS]
        gamma, beta = (arrays[f"decoder/layer_norm/{part}"] for part in ("gamma", "beta"))
        factors = smoothing_factors(gamma, beta, embeddings)
        embeddings *= factors  # in place: read for this alone, and base's are 106 MB
        return cls(QuantizedWeight.from_float(embeddings), factors)


def _logits(
    graph: TransformerGraph, x: str, projection: _OutputProjection, suppressed: Sequence[int]
) -> str:
    """Project onto the vocabulary, with a scale for each row (docs/tuning.md)."""
    bias = np.zeros(len(projection.weight.scales), np.float32)
    bias[list(suppressed)] = _SUPPRESSED_LOGIT
    x = graph.add("Div", [x, graph.constant(projection.factors)])
    row_scales = graph.row_scales(graph.add("Abs", [x]), MIN_SCALE)
    scaled = graph.add("Div", [x, row_scales])
    logits = graph.linear(scaled, graph.linear_params(projection.weight, bias))
    return graph.add("Mul", [logits, row_scales])


def _inputs(d: DecoderDimensions) -> list[onnx.ValueInfoProto]:
    floats, ints = TensorProto.FLOAT, TensorProto.INT64
    info = helper.make_tensor_value_info
    inputs = [
        info("hidden", floats, ["n_rows", "n_new", d.width]),
        info("mask", floats, ["n_new", "n_all"]),
        info("parent_rows", ints, ["n_rows"]),
        info("positions", ints, ["n_selected"]),
        info("window_rows", ints, ["n_windows", "n_slots"]),
        info("row_slots", ints, ["n_rows"]),
    ]
    past: list[str | int] = ["n_parents", d.n_heads, "n_past", d.head_width]
    audio: list[str | int] = ["n_windows", d.n_heads, "n_frames", d.head_width]
    scales: list[str | int] = ["n_windows", d.n_heads, 1, d.head_width]
    for i in range(d.n_layers):
        inputs += [info(name, floats, past) for name in SelfAttentionCache.tensor_names(i)]
        keys, key_scales, values, value_scales = CrossAttentionCache.tensor_names(i)
        inputs += [
            info(keys, TensorProto.UINT8, audio),
            info(key_scales, floats, scales),
            info(values, TensorProto.INT8, audio),
            info(value_scales, floats, scales),
        ]
    return inputs


def _add_shapes(graph: TransformerGraph, d: DecoderDimensions) -> None:
    """Add the shapes that cross-attention groups rows by.

    ``by_window`` is (n_windows, n_slots * n_new, n_heads, head_width) and ``by_slot``
    (n_windows * n_slots, n_new, width).
    """
    graph.add("Shape", ["window_rows"], "n_windows", end=1)
    graph.add("Shape", ["hidden"], "n_new", start=1, end=2)
    head_shape = graph.weight("head_shape", np.array([d.n_heads, d.head_width]))
    inferred = graph.weight("inferred", np.array([-1]))
    width = graph.weight("width", np.array([d.width]))
    graph.add("Concat", ["n_windows", inferred, head_shape], "by_window", axis=0)
    graph.add("Concat", [inferred, "n_new", width], "by_slot", axis=0)


def _self_attention(graph: TransformerGraph, x: str, i: int) -> tuple[str, list[str]]:
    """Apply masked self-attention with its residual; also return the grown cache's names."""
    block = f"decoder/layer_{i}/self_attention"
    normed = graph.layer_norm(x, f"{block}/layer_norm")
    qkv = graph.linear(normed, graph.load_linear(f"{block}/linear_0"))
    q, *new = parts = [f"{block}/{letter}" for letter in "qkv"]
    graph.nodes.append(helper.make_node("Split", [qkv], parts, axis=-1, num_outputs=3))
    cache = []
    for name, part in zip(SelfAttentionCache.tensor_names(i), new, strict=True):
        past = graph.add("Gather", [name, "parent_rows"], axis=0)
        heads = graph.split_heads(part)
        cache.append(graph.add("Concat", [past, heads], f"{name}.next", axis=2))
    keys, values = cache
    options = {"transB": 1, "alpha": graph.head_width**-0.5}
    queries = graph.split_heads(q)
    scores = graph.add("FusedMatMul", [queries, keys], domain="com.microsoft", **options)
    attention = graph.add("Softmax", [graph.add("Add", [scores, "mask"])], axis=-1)
    output = graph.merge_heads(graph.add("MatMul", [attention, values]))
    output = graph.linear(output, graph.load_linear(f"{block}/linear_1"))
    return graph.add("Add", [x, output]), cache


def _cross_attention(graph: TransformerGraph, x: str, i: int) -> tuple[str, str]:
    """Apply attention to the audio with its residual.

    Queries of rows that share a window go together, so that its keys and values are read once.

    Returns:
        The output, and the attention as :meth:`TransformerGraph.attention_output` gives it.
    """
    block = f"decoder/layer_{i}/attention"
    keys, key_scales, values, value_scales = CrossAttentionCache.tensor_names(i)
    normed = graph.layer_norm(x, f"{block}/layer_norm")
    params = graph.load_linear(f"{block}/linear_0", factor=graph.head_width**-0.5)
    queries = graph.add("Gather", [graph.linear(normed, params), "window_rows"], axis=0)
    queries = graph.add("Reshape", [queries, "by_window"])
    queries = graph.add("Transpose", [queries], perm=[0, 2, 1, 3])
    queries = graph.add("Mul", [queries, key_scales])
    output, attention = graph.attention_output(_scores(graph, queries, keys), values)
    output = graph.add("Mul", [output, value_scales])
    output = graph.add("Transpose", [output], perm=[0, 2, 1, 3])
    output = graph.add("Reshape", [output, "by_slot"])
    output = graph.add("Gather", [output, "row_slots"], axis=0)
    output = graph.linear(output, graph.load_linear(f"{block}/linear_2"))
    return graph.add("Add", [x, output]), attention


def _scores(graph: TransformerGraph, queries: str, keys: str) -> str:
    """Multiply queries (…, n, head_width) by keys (…, n_frames, head_width): (…, n, n_frames).

    The product is taken transposed, keys first: they come from memory, and reading them row
    by row takes two thirds of the time.
    """
    row_scales = graph.row_scales(graph.add("Abs", [queries]), MIN_SCALE)
    scale = np.float32(1 / max_int8_weight())
    unit = [graph.constant(scale), graph.constant(np.int8(0))]
    integers = graph.add("QuantizeLinear", [graph.add("Div", [queries, row_scales]), *unit])
    integers = graph.add("Transpose", [integers], perm=[0, 1, 3, 2])
    zero_point = graph.constant(UINT8_ZERO_POINT)
    scores = graph.int8_matmul(keys, graph.constant(scale), zero_point, integers)
    return graph.add("Mul", [graph.add("Transpose", [scores], perm=[0, 1, 3, 2]), row_scales])
