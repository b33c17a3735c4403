"""What the graphs of Whisper's encoder and decoder are put together of.

Weights are 8-bit integers with a scale for each output; activations are quantised as they
come (ONNX Runtime's DynamicQuantizeMatMul). Norms are in float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from asr_core.engines.instructions import largest_integer
from asr_core.onnx_nodes import Nodes

__all__ = ["GELU_LEAST", "TINY", "UNSIGNED", "Arrays", "Graph", "Layer", "Quantised", "session"]

_OPSETS = (helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1))
_IR_VERSION = 10
_EPSILON = 1e-5
TINY = 1e-6
"""Can be divided by."""

_ROWS_AT_ONCE = 4096

_SIGNED = np.int8(0)
UNSIGNED = np.uint8(128)
"""The zero of bytes."""

GELU_LEAST = 0.17
"""GELU gives nothing that is further below zero."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Quantised:
    """(n_out, n_in) as 8-bit integers, and the scale (n_out,) that gives them back."""

    integers: NDArray[np.int8]
    scale: NDArray[np.float32]

    @classmethod
    def of(cls, weight: NDArray[np.float32]) -> Quantised:
        largest = np.maximum(weight.max(axis=1), -weight.min(axis=1))
        scale = np.maximum(largest, 1e-10).astype(np.float32) / largest_integer()
        integers = np.empty(weight.shape, np.int8)
        # Some rows at a time: in floats the embeddings of base are a hundred megabytes.
        for at in range(0, len(weight), _ROWS_AT_ONCE):
            rows = slice(at, at + _ROWS_AT_ONCE)
            integers[rows] = np.rint(weight[rows] * (1 / scale[rows])[:, None])
        return cls(integers, scale)


@dataclass(frozen=True)
class Layer:
    """The names that a linear layer's parts have in a graph."""

    integers: str
    scale: str
    bias: str


class Graph(Nodes):
    """With what a Whisper model is made of; ``arrays`` by CTranslate2's names, in float."""

    def __init__(self, arrays: Arrays, n_heads: int, width: int) -> None:
        super().__init__()
        self.arrays = arrays
        self.n_heads, self.width = n_heads, width

    @property
    def head_width(self) -> int:
        return self.width // self.n_heads

    def layer(self, weight: Quantised, bias: NDArray[np.float32]) -> Layer:
        parts = (weight.integers.T, weight.scale, bias)
        return Layer(*(self.constant(part) for part in parts))

    def layer_of(self, name: str, rows: slice = slice(None), times: float = 1) -> Layer:
        """The weights of that name, or some of their outputs."""
        weight, bias = (self.arrays[f"{name}/{part}"][rows] for part in ("weight", "bias"))
        by = np.float32(times)
        return self.layer(Quantised.of(weight * by), bias * by)

    def linear(self, x: str, layer: Layer) -> str:
        return self._times(x, layer, layer.bias)

    def _times(self, x: str, layer: Layer, bias: str = "") -> str:
        inputs = [x, layer.integers, layer.scale, "", bias]
        return self.add("DynamicQuantizeMatMul", inputs, domain="com.microsoft")

    def linear_by_row(self, x: str, layer: Layer, sizes: str) -> str:
        """Each row in proportion to its size: where one row's is far above the others', one
        scale for all leaves little of these. What base's encoder gives is 9 % off the float
        model's with that for what :meth:`gelu` gave, else 17."""
        y = self._times(self.add("Div", [x, sizes]), layer)
        return self.add("Add", [self.add("Mul", [y, sizes]), layer.bias])

    def sizes(self, x: str, least: float) -> str:
        """(…, n_rows, 1) the largest values of the rows of ``x``, where nothing is below zero
        by more than ``least``, and nobody needs a finer scale than for that."""
        sizes = self.add("ReduceMax", [x, self.constant([-1])])
        return self.add("Max", [sizes, self.constant(np.float32(least))])

    def feed_forward(self, parts: Sequence[str], name: str) -> list[str]:
        """The second half of a layer, its input added, of some rows at a time."""
        first, second = (self.layer_of(f"{name}/{which}") for which in ("linear_0", "linear_1"))
        made = []
        for x in parts:
            inner = self.gelu(self.linear(self.norm(x, f"{name}/layer_norm"), first))
            inner = self.linear_by_row(inner, second, self.sizes(inner, GELU_LEAST))
            made.append(self.add("Add", [x, inner]))
        return made

    def gelu(self, x: str) -> str:
        return self.add("Gelu", [x], domain="com.microsoft")

    def norm(self, x: str, name: str) -> str:
        how = [self.constant(self.arrays[f"{name}/{part}"]) for part in ("gamma", "beta")]
        return self.add("LayerNormalization", [x, *how], epsilon=_EPSILON)

    def heads(self, x: str) -> str:
        """(n, n_columns, width) → (n, n_heads, n_columns, head_width)."""
        return self._parted(x, [0, 2, 1, 3])

    def joined(self, x: str) -> str:
        """And back."""
        x = self.add("Transpose", [x], perm=[0, 2, 1, 3])
        return self.add("Reshape", [x, self.constant([0, 0, self.width])])

    def _parted(self, x: str, order: list[int], name: str = "") -> str:
        parts = self.add("Reshape", [x, self.constant([0, 0, self.n_heads, self.head_width])])
        return self.add("Transpose", [parts], name, perm=order)

    def columns_in_bytes(self, x: str) -> tuple[str, str]:
        """(n, n_rows, width) → (n, n_heads, head_width, n_rows) in 8 bits, and the scales (n,
        n_heads, 1, head_width) that give them back."""
        return self._in_bytes(x, [0, 2, 3, 1], ("", ""), _SIGNED)

    def rows_in_bytes(
        self, x: str, names: tuple[str, str] = ("", ""), zero: np.int8 | np.uint8 = _SIGNED
    ) -> tuple[str, str]:
        """(n, n_rows, width) → (n, n_heads, n_rows, head_width) in 8 bits that have this
        ``zero``, and the scales as of :meth:`columns_in_bytes`."""
        return self._in_bytes(x, [0, 2, 1, 3], names, zero)

    def _in_bytes(
        self, x: str, order: list[int], names: tuple[str, str], zero: np.int8 | np.uint8
    ) -> tuple[str, str]:
        turned = self.add("Transpose", [self.add("Abs", [x])], perm=[0, 2, 1])
        # A pool, since ReduceMax over what is a column of ``x`` takes twenty times as long.
        size = self.add("GlobalMaxPool", [turned])
        size = self.add("Max", [size, self.constant(np.float32(TINY))])
        scale = self.add("Mul", [size, self.constant(np.float32(1 / largest_integer()))])
        even = self.add("Div", [x, self.add("Reshape", [scale, self.constant([0, 1, -1])])])
        how = [self.constant(np.float32(1)), self.constant(zero)]
        integers = self._parted(self.add("QuantizeLinear", [even, *how]), order, names[0])
        parts = self.constant([0, self.n_heads, 1, self.head_width])
        return integers, self.add("Reshape", [scale, parts], names[1])

    def as_bytes(self, x: str) -> tuple[str, str, str]:
        """In 8 bits, and the scale and the zero of all."""
        at = len(self.nodes)
        made = (f"bytes/{at}", f"scale/{at}", f"zero/{at}")
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [x], made))
        return made

    def product(self, x: str, scale: str, zero: str, integers: str) -> str:
        """Of bytes and signed ones, in float32."""
        inputs = [x, integers, scale, self.constant(np.float32(1)), zero]
        return self.add("MatMulIntegerToFloat", inputs, domain="com.microsoft")

    def weighed(self, scores: str, values: str) -> tuple[str, str]:
        """The 8-bit ``values`` (…, n_columns, head_width) by the softmax of ``scores`` (…, n,
        n_columns), and that softmax in proportion to its largest value in each row."""
        last = self.constant([-1])
        most = self.add("ReduceMax", [scores, last])
        even = self.add("Exp", [self.add("Sub", [scores, most])])
        total = self.add("ReduceSum", [even, last])
        scale, zero = self.constant(np.float32(1 / 255)), self.constant(np.uint8(0))
        seen = self.product(self.add("QuantizeLinear", [even, scale, zero]), scale, zero, values)
        return self.add("Div", [seen, total]), even

    def serialised(
        self,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[str],
        other_types: Mapping[int, Sequence[str]],
    ) -> bytes:
        types = {name: kind for kind, names in other_types.items() for name in names}
        told = [
            helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), None)
            for name in outputs
        ]
        self.model.graph.name, self.model.ir_version = "whisper", _IR_VERSION
        self.model.opset_import.extend(_OPSETS)
        self.model.graph.input.extend(inputs)
        self.model.graph.output.extend(told)
        return bytes(self.model.SerializeToString())


def session(
    graph: bytes, *, n_threads: int, in_order: bool = False
) -> onnxruntime.InferenceSession:
    """By way of a file, since a session that is given bytes keeps them; where there is no
    room for one, it may. Nodes run in the order in which they were added if asked to."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.enable_cpu_mem_arena = False  # no slower, and 40 MB less (base)
    if in_order:
        options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "part.onnx"
            path.write_bytes(graph)
            return onnxruntime.InferenceSession(path, options)
    except OSError:
        return onnxruntime.InferenceSession(graph, options)
