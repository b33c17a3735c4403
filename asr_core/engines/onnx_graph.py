"""Whisper's decoder as ONNX graphs, from the arrays of a CTranslate2 model.

Weights are 8-bit integers with a scale for each output, activations are quantised as
they come (ONNX Runtime's DynamicQuantizeMatMul). So are the keys and values of the sound,
which are what a pass reads most of; attention to the text and norms are in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from asr_core.models.convert import n_layers
from asr_core.onnx_nodes import Nodes

__all__ = ["Dimensions", "Quantised", "cross_graph", "step_graph"]

_OPSETS = (helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1))
_IR_VERSION = 10
_EPSILON = 1e-5

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Dimensions:
    """Of a decoder."""

    n_layers: int
    n_heads: int
    width: int
    n_tokens: int

    @property
    def head_width(self) -> int:
        return self.width // self.n_heads

    @classmethod
    def of(cls, arrays: Arrays, embeddings: Quantised) -> Dimensions:
        n_tokens, width = embeddings.integers.shape
        return cls(n_layers(arrays, "decoder"), int(arrays["decoder/num_heads"]), width, n_tokens)


@dataclass(frozen=True)
class Quantised:
    """(n_out, n_in) as 8-bit integers, and the scale (n_out,) that gives them back."""

    integers: NDArray[np.int8]
    scale: NDArray[np.float32]

    @classmethod
    def of(cls, weight: NDArray[np.float32]) -> Quantised:
        scale = np.maximum(np.abs(weight).max(axis=1), 1e-10).astype(np.float32) / 127
        scaled = weight * (1 / scale)[:, None]
        return cls(np.rint(scaled, out=scaled).astype(np.int8), scale)


class _Graph(Nodes):
    """With what a decoder is made of."""

    def linear(self, x: str, name: str, weight: Quantised, bias: NDArray[np.float32]) -> str:
        return self.add(
            "DynamicQuantizeMatMul",
            [*self._weights(x, name, weight), "", self.weight(f"{name}.bias", bias)],
            name,
            "com.microsoft",
        )

    def linear_by_row(self, x: str, name: str, weight: Quantised, bias: NDArray[np.float32]) -> str:
        """The same, each row in proportion to its own largest value: where one row's is far
        above the others', one scale for all leaves little of these. In a pass over forty
        tokens of base, log-probabilities were 0.018 off the float model's so, else 0.063."""
        size = self.size(x, name, axis=-1)
        even = self.add("Div", [x, size], f"{name}.even")
        y = self.add(
            "DynamicQuantizeMatMul",
            self._weights(even, name, weight),
            f"{name}.raw",
            "com.microsoft",
        )
        y = self.add("Mul", [y, size], f"{name}.sized")
        return self.add("Add", [y, self.weight(f"{name}.bias", bias)], name)

    def _weights(self, x: str, name: str, weight: Quantised) -> list[str]:
        integers = self.weight(f"{name}.weight", weight.integers.T)
        return [x, integers, self.weight(f"{name}.scale", weight.scale)]

    def in_bytes(self, x: str, name: str) -> tuple[str, str]:
        """(…, n, width) in 8 bits, and the scale (…, 1, width) of each column."""
        size = self.size(x, name, axis=-2)
        scale = self.add("Div", [size, self.constant(np.float32(127))], f"{name}.scale")
        x = self.add("Div", [x, scale], f"{name}.sized")
        how = [self.constant(np.float32(1)), self.constant(np.int8(0))]
        return self.add("QuantizeLinear", [x, *how], f"{name}.bytes"), scale

    def size(self, x: str, name: str, *, axis: int) -> str:
        """The largest absolute value along ``axis``, which stays with a length of one; never
        nothing, so that it can be divided by."""
        largest = self.add("ReduceMax", [self.add("Abs", [x]), self.constant([axis])])
        return self.add("Max", [largest, self.constant(np.float32(1e-6))], f"{name}.size")

    def times_bytes(self, x: str, integers: str, name: str, scale: str = "", zero: str = "") -> str:
        """``x`` times 8-bit integers; ``x`` in 8 bits as well, by the scale and zero given or
        else by what it holds."""
        x_bytes = f"{name}.bytes"
        if scale:
            self.add("QuantizeLinear", [x, scale, zero], x_bytes)
        else:
            scale, zero = f"{name}.scale", f"{name}.zero"
            how = helper.make_node("DynamicQuantizeLinear", [x], [x_bytes, scale, zero])
            self.nodes.append(how)
        inputs = [x_bytes, integers, scale, self.constant(np.float32(1)), zero]
        return self.add("MatMulIntegerToFloat", inputs, name, "com.microsoft")

    def norm(self, x: str, name: str, arrays: Arrays) -> str:
        gamma = self.weight(f"{name}.gamma", arrays[f"{name}/gamma"])
        beta = self.weight(f"{name}.beta", arrays[f"{name}/beta"])
        return self.add("LayerNormalization", [x, gamma, beta], f"{name}.out", epsilon=_EPSILON)

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
        graph = helper.make_graph(self.nodes, "decoder", inputs, told, self.weights)
        model = helper.make_model(graph, opset_imports=_OPSETS, ir_version=_IR_VERSION)
        return bytes(model.SerializeToString())


def cross_graph(arrays: Arrays, dimensions: Dimensions) -> bytes:
    """What the sound gives: ``encoded`` (1, n_frames, width) → of each layer keys ``ck0`` … (1,
    n_heads, head_width, n_frames) and values ``cv0`` … (1, n_heads, n_frames, head_width) in 8
    bits, and the scales ``ks0`` … and ``vs0`` … (1, n_heads, 1, head_width) that give them
    back."""
    graph, width = _Graph(), dimensions.width
    shape = graph.weight("heads", np.array([0, -1, dimensions.n_heads, dimensions.head_width]))
    outputs = []
    for i in range(dimensions.n_layers):
        name = f"decoder/layer_{i}/attention/linear_1"
        weight, bias = arrays[f"{name}/weight"], arrays[f"{name}/bias"]
        for letter, part in (("k", slice(0, width)), ("v", slice(width, 2 * width))):
            quantised = Quantised.of(weight[part])
            x = graph.linear("encoded", f"{letter}{i}.flat", quantised, bias[part])
            whole, scale = graph.in_bytes(x, f"{letter}{i}")
            x = graph.add("Reshape", [whole, shape], f"{letter}{i}.heads")
            order = [0, 2, 3, 1] if letter == "k" else [0, 2, 1, 3]
            outputs.append(graph.add("Transpose", [x], f"c{letter}{i}", perm=order))
            x = graph.add("Reshape", [scale, shape], f"{letter}{i}.scale_heads")
            outputs.append(graph.add("Transpose", [x], f"{letter}s{i}", perm=[0, 2, 1, 3]))
    sound = (1, "n_frames", width)
    encoded = helper.make_tensor_value_info("encoded", TensorProto.FLOAT, sound)
    integers = [name for name in outputs if name.startswith("c")]
    return graph.serialised([encoded], outputs, {TensorProto.INT8: integers})


def step_graph(
    arrays: Arrays,
    dimensions: Dimensions,
    embeddings: Quantised,
    *,
    suppressed: Sequence[int],
    n_best: int,
    alignment_heads: Sequence[tuple[int, int]],
) -> bytes:
    """A pass: ``hidden`` (n_rows, n_new, width) and what was before → the likeliest tokens
    after the positions ``wanted``, and what is before the next pass. ``rows`` (n_windows,
    n_places) tells which rows look at each window, and ``places`` (n_rows,) where each of them
    stands there, windows one after the other.

    Args:
        arrays: by CTranslate2's names, in float.
        embeddings: of the tokens, which are the weights of the last layer too.
        suppressed: tokens that are never said.
        n_best: how many tokens of each position are told.
        alignment_heads: layer and head of those that follow the sound.
    """
    graph, d = _Graph(), dimensions
    graph.weight("heads", np.array([0, -1, d.n_heads, d.head_width]))
    graph.weight("whole", np.array([0, -1, d.width]))
    _lay_out(graph, d)
    x, outputs, attentions = "hidden", [], []
    for i in range(d.n_layers):
        x, kept, attention = _layer(graph, x, i, arrays, d)
        outputs += kept
        heads = [head for layer, head in alignment_heads if layer == i]
        if heads:
            index = graph.weight(f"follow{i}", np.array(heads))
            attentions.append(graph.add("Gather", [attention, index], f"followed{i}", axis=1))
    graph.add("Concat", attentions, "attention", axis=1)
    x = graph.add("Gather", [x, "wanted"], "wanted.hidden", axis=1)
    x = graph.norm(x, "decoder/layer_norm", arrays)
    x = graph.add("Identity", [x], "hidden_wanted")
    bias = np.zeros(d.n_tokens, np.float32)
    bias[list(suppressed)] = -1e9
    logits = graph.linear(x, "logits", embeddings, bias)
    graph.add("LogSoftmax", [logits], "logprobs", axis=-1)
    count = graph.weight("n_best", np.array([n_best]))
    graph.nodes.append(helper.make_node("TopK", ["logprobs", count], ["best", "tokens"]))
    floats, ints = TensorProto.FLOAT, TensorProto.INT64
    info = helper.make_tensor_value_info
    inputs = [
        info("hidden", floats, ["n_rows", "n_new", d.width]),
        info("mask", floats, ["n_new", "n_all"]),
        info("origins", ints, ["n_rows"]),
        info("wanted", ints, ["n_wanted"]),
        info("rows", ints, ["n_windows", "n_places"]),
        info("places", ints, ["n_rows"]),
    ]
    own: list[str | int] = ["n_before", d.n_heads, "n_past", d.head_width]
    sound: list[str | int] = ["n_windows", d.n_heads]
    shapes: dict[str, tuple[int, list[str | int]]] = {
        "k": (floats, own),
        "v": (floats, own),
        "ck": (TensorProto.INT8, [*sound, d.head_width, "n_frames"]),
        "ks": (floats, [*sound, 1, d.head_width]),
        "cv": (TensorProto.INT8, [*sound, "n_frames", d.head_width]),
        "vs": (floats, [*sound, 1, d.head_width]),
    }
    for i in range(d.n_layers):
        inputs += [info(f"{name}{i}", kind, shape) for name, (kind, shape) in shapes.items()]
    names = ["logprobs", "best", "tokens", "hidden_wanted", "attention", *outputs]
    return graph.serialised(inputs, names, {TensorProto.INT64: ["tokens"]})


def _lay_out(graph: _Graph, d: Dimensions) -> None:
    """The shapes ``by_window`` (n_windows, n_places × n_new, n_heads, head_width) and
    ``by_place`` (n_windows × n_places, n_new, width)."""
    graph.add("Shape", ["rows"], "n_windows", end=1)
    graph.add("Shape", ["hidden"], "n_new", start=1, end=2)
    parts = graph.weight("head_parts", np.array([d.n_heads, d.head_width]))
    any_number = graph.weight("any_number", np.array([-1]))
    width = graph.weight("width", np.array([d.width]))
    graph.add("Concat", ["n_windows", any_number, parts], "by_window", axis=0)
    graph.add("Concat", [any_number, "n_new", width], "by_place", axis=0)
    graph.weight("softer", np.array(d.head_width**-0.5, np.float32))
    graph.weight("last_axis", np.array([-1]))
    graph.weight("step", np.array(1 / 255, np.float32))
    graph.weight("no_zero", np.array(0, np.uint8))


def _layer(
    graph: _Graph, x: str, i: int, arrays: Arrays, d: Dimensions
) -> tuple[str, list[str], str]:
    """One layer: its output, the names of its new keys and values, the cross-attention."""
    name = f"decoder/layer_{i}"

    def linear(x: str, part: str, add: Callable[..., str] = graph.linear) -> str:
        full = f"{name}/{part}"
        return add(x, full, Quantised.of(arrays[f"{full}/weight"]), arrays[f"{full}/bias"])

    def split(x: str, to: str) -> str:
        """(n_rows, n, width) → (n_rows, n_heads, n, head_width)."""
        parts = graph.add("Reshape", [x, "heads"], f"{to}.parts")
        return graph.add("Transpose", [parts], to, perm=[0, 2, 1, 3])

    def compare(a: str, b: str, to: str) -> str:
        more = {"transB": 1, "alpha": d.head_width**-0.5}
        return graph.add("FusedMatMul", [a, b], to, "com.microsoft", **more)

    own = graph.norm(x, f"{name}/self_attention/layer_norm", arrays)
    qkv = linear(own, "self_attention/linear_0")
    parts = [f"{name}/{letter}" for letter in "qkv"]
    graph.nodes.append(helper.make_node("Split", [qkv], parts, axis=-1, num_outputs=3))
    kept = []
    for letter, part in zip("kv", parts[1:], strict=True):
        past = graph.add("Gather", [f"{letter}{i}", "origins"], f"{part}.past", axis=0)
        new = split(part, f"{part}.new")
        kept.append(graph.add("Concat", [past, new], f"{letter}{i}.next", axis=2))
    k, v = kept
    scores = compare(split(parts[0], f"{name}/q.heads"), k, f"{name}/self.scores")
    scores = graph.add("Add", [scores, "mask"], f"{name}/self.masked")
    own = graph.add("Softmax", [scores], f"{name}/self.attention", axis=-1)
    seen = graph.add("MatMul", [own, v], f"{name}/self.seen")
    seen = graph.add("Transpose", [seen], f"{name}/self.joined", perm=[0, 2, 1, 3])
    seen = graph.add("Reshape", [seen, "whole"], f"{name}/self.whole")
    x = graph.add("Add", [x, linear(seen, "self_attention/linear_1")], f"{name}/after_self")

    asked = linear(graph.norm(x, f"{name}/attention/layer_norm", arrays), "attention/linear_0")
    # The rows that look at the same sound: their queries go together.
    asked = graph.add("Gather", [asked, "rows"], f"{name}/asked.by_window", axis=0)
    asked = graph.add("Reshape", [asked, "by_window"], f"{name}/asked.parts")
    asked = graph.add("Transpose", [asked], f"{name}/asked", perm=[0, 2, 1, 3])
    asked = graph.add("Mul", [asked, f"ks{i}"], f"{name}/asked.sized")
    asked = graph.add("Mul", [asked, "softer"], f"{name}/asked.softer")
    scores = graph.times_bytes(asked, f"ck{i}", f"{name}/cross.scores")
    attention = graph.add("Softmax", [scores], f"{name}/cross.attention", axis=-1)
    most = graph.add("ReduceMax", [attention, "last_axis"], f"{name}/cross.most")
    even = graph.add("Div", [attention, most], f"{name}/cross.even")
    seen = graph.times_bytes(even, f"cv{i}", f"{name}/cross.bytes_seen", "step", "no_zero")
    seen = graph.add("Mul", [seen, most], f"{name}/cross.uneven")
    seen = graph.add("Mul", [seen, f"vs{i}"], f"{name}/cross.seen")
    seen = graph.add("Transpose", [seen], f"{name}/cross.joined", perm=[0, 2, 1, 3])
    seen = graph.add("Reshape", [seen, "by_place"], f"{name}/cross.places")
    seen = graph.add("Gather", [seen, "places"], f"{name}/cross.whole", axis=0)
    x = graph.add("Add", [x, linear(seen, "attention/linear_2")], f"{name}/after_cross")

    inner = linear(graph.norm(x, f"{name}/ffn/layer_norm", arrays), "ffn/linear_0")
    inner = graph.add("Gelu", [inner], f"{name}/ffn.gelu", "com.microsoft")
    x = graph.add("Add", [x, linear(inner, "ffn/linear_1", graph.linear_by_row)], f"{name}/out")
    return x, kept, attention
