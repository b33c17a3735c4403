"""Whisper's encoder as an ONNX graph, with int8 attention and convolutions as products.

Attention in float32, as in CTranslate2, takes half the time of a window of twenty seconds.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from asr_core.engines.onnx.layers import GELU_LOWER_BOUND, Arrays, LinearParams, TransformerGraph
from asr_core.engines.onnx.quantization import QuantizedWeight
from asr_core.engines.onnx.smoothquant import SmoothQuantWeights
from asr_core.models.ctranslate2_format import count_layers

__all__ = ["encoder_graph"]

_QUERY_CHUNKS = 16  # keep a chunk's scores in the CPU's cache (docs/tuning.md)

_FFN_CHUNKS = 4  # bound the memory of the inner layer, four times as wide (docs/tuning.md)

_SLICE_TO_END = np.iinfo(np.int64).max


def encoder_graph(arrays: Arrays) -> bytes:
    """Build the encoder: ``mel`` (1, n_mels, n_frames) → ``encoded`` (1, n_frames / 2, width).

    Args:
        arrays: the model's float weights by CTranslate2's names.
    """
    arrays = SmoothQuantWeights(arrays)
    width = arrays["encoder/layer_norm/gamma"].shape[0]
    graph = TransformerGraph(arrays, int(arrays["encoder/num_heads"]), width)
    x = _convolutions(graph, "mel")
    n_positions = graph.add("Shape", [x], start=1, end=2)
    x = graph.add("Add", [x, _positions(graph, n_positions)])
    ffn_sizes, query_sizes = (
        _chunk_sizes(graph, n_positions, n) for n in (_FFN_CHUNKS, _QUERY_CHUNKS)
    )
    for i in range(count_layers(arrays, "encoder")):
        name = f"encoder/layer_{i}"
        x = graph.add("Add", [x, _self_attention(graph, x, f"{name}/self_attention", query_sizes)])
        chunks = graph.split(x, ffn_sizes, _FFN_CHUNKS, axis=1)
        x = graph.add("Concat", graph.feed_forward(chunks, f"{name}/ffn"), axis=1)
    encoded = graph.layer_norm(x, "encoder/layer_norm")
    mel = helper.make_tensor_value_info("mel", TensorProto.FLOAT, [1, "n_mels", "n_frames"])
    return graph.serialize([mel], [encoded])


def _convolutions(graph: TransformerGraph, mel: str) -> str:
    """Apply both convolutions: (1, n_mels, n_frames) → (1, n_frames / 2, width)."""
    x = graph.add("Transpose", [mel], perm=[0, 2, 1])
    x = graph.gelu(graph.linear(_unfold(graph, x, stride=1), _kernel(graph, "conv1")))
    x = _unfold(graph, x, stride=2)
    x = graph.linear_per_row(x, _kernel(graph, "conv2"), graph.row_scales(x, GELU_LOWER_BOUND))
    return graph.gelu(x)


def _unfold(graph: TransformerGraph, x: str, *, stride: int) -> str:
    """Lay out a convolution's receptive fields, three positions wide (im2col).

    (1, n_positions, n_channels) → (1, n_positions / stride, 3 * n_channels).
    """
    padded = graph.add("Pad", [x, graph.constant([0, 1, 0, 0, 1, 0])])
    starts, ends, axis, step = ([0, 1, 2], [-2, -1, _SLICE_TO_END], [1], [stride])
    taps = [
        graph.add(
            "Slice", [padded, *(graph.constant(part) for part in ([start], [end], axis, step))]
        )
        for start, end in zip(starts, ends, strict=True)
    ]
    return graph.add("Concat", taps, axis=-1)


def _kernel(graph: TransformerGraph, name: str) -> LinearParams:
    """Quantise a convolution's kernel as a linear layer after :func:`_unfold`."""
    weight = graph.arrays[f"encoder/{name}/weight"].transpose(0, 2, 1)
    quantized = QuantizedWeight.from_float(weight.reshape(len(weight), -1))
    return graph.linear_params(quantized, graph.arrays[f"encoder/{name}/bias"])


def _positions(graph: TransformerGraph, n_positions: str) -> str:
    """Slice the first position encodings: (n_positions, width)."""
    encodings = graph.constant(graph.arrays["encoder/position_encodings/encodings"])
    start, axis = graph.constant([0]), graph.constant([0])
    return graph.add("Slice", [encodings, start, n_positions, axis])


def _chunk_sizes(graph: TransformerGraph, n_positions: str, n: int) -> str:
    """Divide ``n_positions`` into (n,) nearly equal sizes."""
    multiples = graph.add("Mul", [n_positions, graph.constant(np.arange(n + 1))])
    edges = graph.add("Div", [multiples, graph.constant([n])])
    starts = graph.add("Slice", [edges, graph.constant([0]), graph.constant([-1])])
    ends = graph.add("Slice", [edges, graph.constant([1]), graph.constant([_SLICE_TO_END])])
    return graph.add("Sub", [ends, starts])


def _self_attention(graph: TransformerGraph, x: str, name: str, query_sizes: str) -> str:
    """Apply the self-attention block ``name`` without its residual."""
    x = graph.layer_norm(x, f"{name}/layer_norm")
    rows = [slice(graph.width * i, graph.width * (i + 1)) for i in range(3)]
    factors = (graph.head_width**-0.5, 1, 1)
    q, k, v = (
        graph.linear(x, graph.load_linear(f"{name}/linear_0", part, factor))
        for part, factor in zip(rows, factors, strict=True)
    )
    keys, key_scales = graph.quantize_per_channel(k, is_transposed=True)
    values, value_scales = graph.quantize_per_channel(v)
    # The keys' scales go into the queries, so that the keys multiply as plain integers.
    scaled = graph.add("Mul", [graph.split_heads(q), key_scales])
    queries, scale, zero_point = graph.dynamic_quantize(scaled)
    outputs = []
    for chunk in graph.split(queries, query_sizes, _QUERY_CHUNKS, axis=2):
        scores = graph.int8_matmul(chunk, scale, zero_point, keys)
        outputs.append(graph.attention_output(scores, values)[0])
    x = graph.add("Mul", [graph.add("Concat", outputs, axis=2), value_scales])
    return graph.linear(graph.merge_heads(x), graph.load_linear(f"{name}/linear_1"))
