"""Whisper's encoder on ONNX Runtime, for CPUs.

Its attention is in 8 bits like the rest: where it is in float32, as in CTranslate2, it takes
half the time of a window of twenty seconds. The convolutions are products, too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from asr_core.engines.onnx_parts import GELU_LEAST, Arrays, Graph, Layer, Quantised, session
from asr_core.engines.smoothing import Smoothed
from asr_core.models.convert import FloatArrays, n_layers

__all__ = ["OnnxEncoder"]

_N_QUERIES = 16
"""Parts of the queries: the attention of a whole window has no place in the processor's cache.
A window of 25 s takes a tenth longer with four."""

_N_PARTS = 4
"""Of what goes through the inner layer, which is four times as wide as the rest: 40 MB less for
each window that is being encoded (base)."""

_END = np.iinfo(np.int64).max


class OnnxEncoder:
    """Any thread may call; calls run side by side.

    Args:
        directory: a model in CTranslate2 format.
        n_threads: of one call.

    Raises:
        KeyError: the model in ``directory`` is no Whisper model.
        ModelError: there is none that can be read.
    """

    def __init__(self, directory: Path, *, n_threads: int) -> None:
        arrays = Smoothed(FloatArrays(directory / "model.bin"))
        self.n_mels = int(arrays["encoder/conv1/weight"].shape[1])
        # In order, so that one part of the inner layer is over before the next one begins.
        self._session = session(_graph(arrays), n_threads=n_threads, in_order=True)

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n_windows, n_mels, n_frames) log-mel → (n_windows, n_frames / 2, width). There
        have to be 32 frames at least."""
        # One by one: together they are no quicker, and share the scales of what is quantised.
        encoded = [self._session.run(None, {"mel": window[None]})[0] for window in features]
        return np.concatenate(encoded)


def _graph(arrays: Arrays) -> bytes:
    """``mel`` (1, n_mels, n_frames) → ``encoded`` (1, n_frames / 2, width)."""
    width = arrays["encoder/layer_norm/gamma"].shape[0]
    graph = Graph(arrays, int(arrays["encoder/num_heads"]), width)
    x = graph.add("Transpose", ["mel"], perm=[0, 2, 1])
    x = graph.gelu(graph.linear(_neighbours(graph, x, stride=1), _kernel(graph, "conv1")))
    x = _neighbours(graph, x, stride=2)
    x = graph.linear_by_row(x, _kernel(graph, "conv2"), graph.sizes(x, GELU_LEAST))
    x = graph.gelu(x)
    n_columns = graph.add("Shape", [x], start=1, end=2)
    positions = graph.constant(arrays["encoder/position_encodings/encodings"])
    first, axis = graph.constant([0]), graph.constant([0])
    x = graph.add("Add", [x, graph.add("Slice", [positions, first, n_columns, axis])])
    few, many = (_part_sizes(graph, n_columns, n) for n in (_N_PARTS, _N_QUERIES))
    for i in range(n_layers(arrays, "encoder")):
        name = f"encoder/layer_{i}"
        x = graph.add("Add", [x, _attention(graph, x, f"{name}/self_attention", many)])
        parts = graph.feed_forward(_split(graph, x, few, _N_PARTS, axis=1), f"{name}/ffn")
        x = graph.add("Concat", parts, axis=1)
    encoded = graph.norm(x, "encoder/layer_norm")
    mel = helper.make_tensor_value_info("mel", TensorProto.FLOAT, [1, "n_mels", "n_frames"])
    return graph.serialised([mel], [encoded], {})


def _neighbours(graph: Graph, x: str, *, stride: int) -> str:
    """What a convolution of three columns looks at: (1, n_columns, n_channels) → (1, n_columns
    / stride, 3 × n_channels)."""
    padded = graph.add("Pad", [x, graph.constant([0, 1, 0, 0, 1, 0])])
    begins, ends, axis, step = ([0, 1, 2], [-2, -1, _END], [1], [stride])
    columns = [
        graph.add("Slice", [padded, *(graph.constant(at) for at in ([begin], [end], axis, step))])
        for begin, end in zip(begins, ends, strict=True)
    ]
    return graph.add("Concat", columns, axis=-1)


def _kernel(graph: Graph, name: str) -> Layer:
    """A convolution, for what :func:`_neighbours` gives."""
    weight = graph.arrays[f"encoder/{name}/weight"].transpose(0, 2, 1)
    quantised = Quantised.of(weight.reshape(len(weight), -1))
    return graph.layer(quantised, graph.arrays[f"encoder/{name}/bias"])


def _part_sizes(graph: Graph, n_columns: str, n: int) -> str:
    """(n,) nearly equal ones."""
    shares = graph.add("Mul", [n_columns, graph.constant(np.arange(n + 1))])
    edges = graph.add("Div", [shares, graph.constant([n])])
    begins = graph.add("Slice", [edges, graph.constant([0]), graph.constant([-1])])
    ends = graph.add("Slice", [edges, graph.constant([1]), graph.constant([_END])])
    return graph.add("Sub", [ends, begins])


def _split(graph: Graph, x: str, sizes: str, n: int, *, axis: int) -> list[str]:
    names = [f"{x}/part_{i}" for i in range(n)]
    graph.nodes.append(helper.make_node("Split", [x, sizes], names, axis=axis))
    return names


def _attention(graph: Graph, x: str, name: str, part_sizes: str) -> str:
    x = graph.norm(x, f"{name}/layer_norm")
    size = graph.width
    parts = [slice(size * i, size * (i + 1)) for i in range(3)]
    times = (graph.head_width**-0.5, 1, 1)
    q, k, v = (
        graph.linear(x, graph.layer_of(f"{name}/linear_0", part, by))
        for part, by in zip(parts, times, strict=True)
    )
    k, k_scale = graph.columns_in_bytes(k)
    v, v_scale = graph.rows_in_bytes(v)
    q, scale, zero = graph.as_bytes(graph.add("Mul", [graph.heads(q), k_scale]))
    asked = _split(graph, q, part_sizes, _N_QUERIES, axis=2)
    seen = [graph.weighed(graph.product(part, scale, zero, k), v)[0] for part in asked]
    x = graph.add("Mul", [graph.add("Concat", seen, axis=2), v_scale])
    return graph.linear(graph.joined(x), graph.layer_of(f"{name}/linear_1"))
