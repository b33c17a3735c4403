"""Transformer layers as ONNX nodes: int8 linear layers, layer norms, attention.

Weights are int8 with one scale per output channel; activations are quantised as they come
(ONNX Runtime's DynamicQuantizeMatMul). Layer norms and softmax stay in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from asr_core.engines.cpu_features import max_int8_weight
from asr_core.engines.onnx.quantization import QuantizedWeight
from asr_core.onnx_graph import GraphBuilder

__all__ = [
    "GELU_LOWER_BOUND",
    "MIN_SCALE",
    "UINT8_ZERO_POINT",
    "Arrays",
    "LinearParams",
    "TransformerGraph",
]

_OPSETS = (helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1))
_IR_VERSION = 10
_LAYER_NORM_EPSILON = 1e-5

MIN_SCALE = 1e-6
"""Lower bound of scales that are divided by."""

INT8_ZERO_POINT = np.int8(0)

UINT8_ZERO_POINT = np.uint8(128)
"""Zero point of symmetric values that a kernel wants as unsigned bytes."""

GELU_LOWER_BOUND = 0.17
"""Magnitude of GELU's minimum, which lies near x = -0.75."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class LinearParams:
    """Names of a linear layer's initialisers in a graph."""

    integers: str
    scales: str
    bias: str


class TransformerGraph(GraphBuilder):
    """ONNX graph under construction, with the layers that Whisper is made of.

    Methods take and return names of tensors in the graph; shapes are those of the tensors.

    Args:
        arrays: the model's float weights by CTranslate2's names.
        n_heads: of each attention layer.
        width: of the residual stream.
    """

    def __init__(self, arrays: Arrays, n_heads: int, width: int) -> None:
        super().__init__()
        self.arrays = arrays
        self.n_heads, self.width = n_heads, width

    @property
    def head_width(self) -> int:
        return self.width // self.n_heads

    # --- linear layers ---------------------------------------------------------------

    def linear_params(self, weight: QuantizedWeight, bias: NDArray[np.float32]) -> LinearParams:
        """Add a quantised weight and its bias to the graph."""
        params = (weight.integers.T, weight.scales, bias)
        return LinearParams(*(self.constant(param) for param in params))

    def load_linear(self, name: str, rows: slice = slice(None), factor: float = 1) -> LinearParams:
        """Quantise the linear layer ``name``, or some of its output rows, times ``factor``."""
        weight, bias = (self.arrays[f"{name}/{part}"][rows] for part in ("weight", "bias"))
        multiplier = np.float32(factor)
        return self.linear_params(
            QuantizedWeight.from_float(weight * multiplier), bias * multiplier
        )

    def linear(self, x: str, params: LinearParams) -> str:
        """Apply a linear layer, with one activation scale for all of ``x``."""
        return self._int8_linear(x, params, params.bias)

    def linear_per_row(self, x: str, params: LinearParams, row_scales: str) -> str:
        """Apply a linear layer with an activation scale for each row of ``x``.

        Where one row is far above the others, a single scale leaves the others few of the
        256 levels: after GELU that doubles the encoder's error (docs/tuning.md).
        """
        y = self._int8_linear(self.add("Div", [x, row_scales]), params)
        return self.add("Add", [self.add("Mul", [y, row_scales]), params.bias])

    def _int8_linear(self, x: str, params: LinearParams, bias: str = "") -> str:
        inputs = [x, params.integers, params.scales, "", bias]
        return self.add("DynamicQuantizeMatMul", inputs, domain="com.microsoft")

    def row_scales(self, x: str, min_scale: float) -> str:
        """Reduce (…, n_rows, n) to each row's maximum (…, n_rows, 1), at least ``min_scale``.

        Values below ``-min_scale`` must not occur.
        """
        maxima = self.add("ReduceMax", [x, self.constant([-1])])
        return self.add("Max", [maxima, self.constant(np.float32(min_scale))])

    def feed_forward(self, chunks: Sequence[str], name: str) -> list[str]:
        """Apply the feed-forward block ``name``, residual included, to each chunk of rows."""
        up, down = (self.load_linear(f"{name}/{layer}") for layer in ("linear_0", "linear_1"))
        outputs = []
        for x in chunks:
            inner = self.gelu(self.linear(self.layer_norm(x, f"{name}/layer_norm"), up))
            inner = self.linear_per_row(inner, down, self.row_scales(inner, GELU_LOWER_BOUND))
            outputs.append(self.add("Add", [x, inner]))
        return outputs

    def gelu(self, x: str) -> str:
        """Apply the exact GELU."""
        return self.add("Gelu", [x], domain="com.microsoft")

    def layer_norm(self, x: str, name: str) -> str:
        """Apply the layer norm ``name`` over the last axis."""
        params = [self.constant(self.arrays[f"{name}/{part}"]) for part in ("gamma", "beta")]
        return self.add("LayerNormalization", [x, *params], epsilon=_LAYER_NORM_EPSILON)

    # --- attention -------------------------------------------------------------------

    def split_heads(self, x: str) -> str:
        """Rearrange (n, n_positions, width) to (n, n_heads, n_positions, head_width)."""
        return self._to_heads(x, [0, 2, 1, 3])

    def merge_heads(self, x: str) -> str:
        """Rearrange (n, n_heads, n_positions, head_width) to (n, n_positions, width)."""
        x = self.add("Transpose", [x], perm=[0, 2, 1, 3])
        return self.add("Reshape", [x, self.constant([0, 0, self.width])])

    def _to_heads(self, x: str, permutation: list[int], name: str = "") -> str:
        shape = self.constant([0, 0, self.n_heads, self.head_width])
        return self.add("Transpose", [self.add("Reshape", [x, shape])], name, perm=permutation)

    def attention_output(self, scores: str, values: str) -> tuple[str, str]:
        """Weigh 8-bit values by the softmax of the scores.

        The softmax is normalised after the product, so that its numerator fits 8 bits with
        the constant scale 1/255.

        Args:
            scores: (…, n_queries, n_keys).
            values: (…, n_keys, head_width) in int8.

        Returns:
            The output (…, n_queries, head_width) in the integers' unit, and the attention
            (…, n_queries, n_keys) relative to each row's maximum.
        """
        last_axis = self.constant([-1])
        maxima = self.add("ReduceMax", [scores, last_axis])
        attention = self.add("Exp", [self.add("Sub", [scores, maxima])])
        total = self.add("ReduceSum", [attention, last_axis])
        scale, zero_point = self.constant(np.float32(1 / 255)), self.constant(np.uint8(0))
        quantized = self.add("QuantizeLinear", [attention, scale, zero_point])
        output = self.int8_matmul(quantized, scale, zero_point, values)
        return self.add("Div", [output, total]), attention

    # --- 8-bit activations -----------------------------------------------------------

    def quantize_per_channel(
        self,
        x: str,
        names: tuple[str, str] = ("", ""),
        zero_point: np.int8 | np.uint8 = INT8_ZERO_POINT,
        *,
        is_transposed: bool = False,
    ) -> tuple[str, str]:
        """Quantise keys or values with one scale per channel, and split them into heads.

        Args:
            x: (n, n_positions, width).
            names: of the two results; made up where empty.
            zero_point: of the integers; its type is theirs.
            is_transposed: have the positions last, as the right-hand side of ``q @ k.T``.

        Returns:
            The integers (n, n_heads, n_positions, head_width), or (n, n_heads, head_width,
            n_positions) if transposed, and the scales (n, n_heads, 1, head_width).
        """
        by_channel = self.add("Transpose", [self.add("Abs", [x])], perm=[0, 2, 1])
        # GlobalMaxPool: ReduceMax over the middle axis of x takes twenty times as long.
        maxima = self.add("GlobalMaxPool", [by_channel])
        maxima = self.add("Max", [maxima, self.constant(np.float32(MIN_SCALE))])
        scales = self.add("Mul", [maxima, self.constant(np.float32(1 / max_int8_weight()))])
        by_position = self.add("Reshape", [scales, self.constant([0, 1, -1])])
        scaled = self.add("Div", [x, by_position])
        unit = [self.constant(np.float32(1)), self.constant(zero_point)]
        permutation = [0, 2, 3, 1] if is_transposed else [0, 2, 1, 3]
        quantized = self.add("QuantizeLinear", [scaled, *unit])
        integers = self._to_heads(quantized, permutation, names[0])
        shape = self.constant([0, self.n_heads, 1, self.head_width])
        return integers, self.add("Reshape", [scales, shape], names[1])

    def dynamic_quantize(self, x: str) -> tuple[str, str, str]:
        """Quantise ``x`` to uint8 as a whole; return integers, scale and zero point."""
        index = len(self.nodes)
        names = (f"integers/{index}", f"scale/{index}", f"zero_point/{index}")
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [x], names))
        return names

    def int8_matmul(self, x: str, scale: str, zero_point: str, integers: str) -> str:
        """Multiply quantised ``x`` by int8 ``integers`` of scale 1; the result is float32."""
        inputs = [x, integers, scale, self.constant(np.float32(1)), zero_point]
        return self.add("MatMulIntegerToFloat", inputs, domain="com.microsoft")

    # --- the graph as a whole --------------------------------------------------------

    def split(self, x: str, sizes: str, n: int, *, axis: int) -> list[str]:
        """Split ``x`` along an axis into ``n`` parts of the given (n,) sizes."""
        names = [f"{x}/part_{i}" for i in range(n)]
        self.nodes.append(helper.make_node("Split", [x, sizes], names, axis=axis))
        return names

    def serialize(
        self,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[str],
        dtypes: Mapping[str, int] | None = None,
    ) -> bytes:
        """Return the ONNX model; ``dtypes`` are those of outputs that are not float32."""
        dtypes = dtypes or {}
        output_infos = [
            helper.make_tensor_value_info(name, dtypes.get(name, TensorProto.FLOAT), None)
            for name in outputs
        ]
        self.model.graph.name, self.model.ir_version = "whisper", _IR_VERSION
        self.model.opset_import.extend(_OPSETS)
        self.model.graph.input.extend(inputs)
        self.model.graph.output.extend(output_infos)
        return bytes(self.model.SerializeToString())
