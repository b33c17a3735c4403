"""Whisper's decoder as ONNX graphs.

As in the encoder the keys and values of the sound are in 8 bits: they are what a pass reads
most of. Attention to the text is in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from asr_core.engines.instructions import largest_integer
from asr_core.engines.onnx_parts import TINY, UNSIGNED, Arrays, Graph, Quantised
from asr_core.engines.smoothing import smoothing
from asr_core.models.convert import n_layers

__all__ = ["EMBEDDINGS", "Dimensions", "LastLayer", "cross_graph", "step_graph"]

EMBEDDINGS = "decoder/embeddings/weight"


@dataclass(frozen=True)
class LastLayer:
    """The embeddings of the tokens, as the weights that tell how likely each token is; what is
    multiplied by them is divided by the ``factors`` (width,) first."""

    weight: Quantised
    factors: NDArray[np.float32]

    @classmethod
    def of(cls, arrays: Arrays) -> LastLayer:
        embeddings = arrays[EMBEDDINGS]
        gamma, beta = (arrays[f"decoder/layer_norm/{which}"] for which in ("gamma", "beta"))
        factors = smoothing(gamma, beta, embeddings)
        embeddings *= factors  # read for this alone
        return cls(Quantised.of(embeddings), factors)


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
    def of(cls, arrays: Arrays, last: LastLayer) -> Dimensions:
        n_tokens, width = last.weight.integers.shape
        return cls(n_layers(arrays, "decoder"), int(arrays["decoder/num_heads"]), width, n_tokens)


def cross_graph(arrays: Arrays, dimensions: Dimensions) -> bytes:
    """What the sound gives: ``encoded`` (1, n_frames, width) → of each layer keys ``ck0`` …
    (:data:`~asr_core.engines.onnx_parts.UNSIGNED`) and values ``cv0`` …, each (1, n_heads,
    n_frames, head_width) in 8 bits, and the scales ``ks0`` … and ``vs0`` … (1, n_heads, 1,
    head_width) that give them back."""
    width = dimensions.width
    graph = Graph(arrays, dimensions.n_heads, width)
    outputs: list[str] = []
    for i in range(dimensions.n_layers):
        name = f"decoder/layer_{i}/attention/linear_1"
        keys = graph.linear("encoded", graph.layer_of(name, slice(0, width)))
        outputs += graph.rows_in_bytes(keys, (f"ck{i}", f"ks{i}"), UNSIGNED)
        values = graph.linear("encoded", graph.layer_of(name, slice(width, 2 * width)))
        outputs += graph.rows_in_bytes(values, (f"cv{i}", f"vs{i}"))
    sound = (1, "n_frames", width)
    encoded = helper.make_tensor_value_info("encoded", TensorProto.FLOAT, sound)
    kinds: dict[int, str] = {TensorProto.UINT8: "ck", TensorProto.INT8: "cv"}
    integers = {kind: [n for n in outputs if n.startswith(head)] for kind, head in kinds.items()}
    return graph.serialised([encoded], outputs, integers)


def step_graph(
    arrays: Arrays,
    dimensions: Dimensions,
    last: LastLayer,
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
        suppressed: tokens that are never said.
        n_best: how many tokens of each position are told.
        alignment_heads: layer and head of those that follow the sound.
    """
    d = dimensions
    graph = Graph(arrays, d.n_heads, d.width)
    _lay_out(graph, d)
    x, outputs, attentions = "hidden", [], []
    for i in range(d.n_layers):
        x, kept = _attention_to_text(graph, x, i)
        outputs += kept
        x, attention = _attention_to_sound(graph, x, i)
        heads = [head for layer, head in alignment_heads if layer == i]
        if heads:
            attentions.append(graph.add("Gather", [attention, graph.constant(heads)], axis=1))
        [x] = graph.feed_forward([x], f"decoder/layer_{i}/ffn")
    graph.add("Concat", attentions, "attention", axis=1)
    x = graph.add("Gather", [x, "wanted"], "wanted.hidden", axis=1)
    x = graph.norm(x, "decoder/layer_norm")
    x = graph.add("Identity", [x], "hidden_wanted")
    graph.add("LogSoftmax", [_logits(graph, x, last, suppressed)], "logprobs", axis=-1)
    count = graph.weight("n_best", np.array([n_best]))
    graph.nodes.append(helper.make_node("TopK", ["logprobs", count], ["best", "tokens"]))
    names = ["logprobs", "best", "tokens", "hidden_wanted", "attention", *outputs]
    return graph.serialised(_inputs(d), names, {TensorProto.INT64: ["tokens"]})


def _logits(graph: Graph, x: str, last: LastLayer, suppressed: Sequence[int]) -> str:
    """By row, and smoothed: the log-probabilities of base's five likeliest tokens are off by
    0.12 in the mean so, by 0.17 with one scale for all that goes in."""
    bias = np.zeros(len(last.weight.scale), np.float32)
    bias[list(suppressed)] = -1e9
    x = graph.add("Div", [x, graph.constant(last.factors)])
    sizes = graph.sizes(graph.add("Abs", [x]), least=TINY)
    logits = graph.linear(graph.add("Div", [x, sizes]), graph.layer(last.weight, bias))
    return graph.add("Mul", [logits, sizes])


def _inputs(d: Dimensions) -> list[onnx.ValueInfoProto]:
    """Of a pass."""
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
        "ck": (TensorProto.UINT8, [*sound, "n_frames", d.head_width]),
        "ks": (floats, [*sound, 1, d.head_width]),
        "cv": (TensorProto.INT8, [*sound, "n_frames", d.head_width]),
        "vs": (floats, [*sound, 1, d.head_width]),
    }
    for i in range(d.n_layers):
        inputs += [info(f"{name}{i}", kind, shape) for name, (kind, shape) in shapes.items()]
    return inputs


def _lay_out(graph: Graph, d: Dimensions) -> None:
    """The shapes ``by_window`` (n_windows, n_places × n_new, n_heads, head_width) and
    ``by_place`` (n_windows × n_places, n_new, width)."""
    graph.add("Shape", ["rows"], "n_windows", end=1)
    graph.add("Shape", ["hidden"], "n_new", start=1, end=2)
    parts = graph.weight("head_parts", np.array([d.n_heads, d.head_width]))
    any_number = graph.weight("any_number", np.array([-1]))
    width = graph.weight("width", np.array([d.width]))
    graph.add("Concat", ["n_windows", any_number, parts], "by_window", axis=0)
    graph.add("Concat", [any_number, "n_new", width], "by_place", axis=0)


def _attention_to_text(graph: Graph, x: str, i: int) -> tuple[str, list[str]]:
    """With its input added, and the names of the new keys and values."""
    name = f"decoder/layer_{i}/self_attention"
    normed = graph.norm(x, f"{name}/layer_norm")
    qkv = graph.linear(normed, graph.layer_of(f"{name}/linear_0"))
    parts = [f"{name}/{letter}" for letter in "qkv"]
    graph.nodes.append(helper.make_node("Split", [qkv], parts, axis=-1, num_outputs=3))
    kept = []
    for letter, part in zip("kv", parts[1:], strict=True):
        past = graph.add("Gather", [f"{letter}{i}", "origins"], axis=0)
        kept.append(graph.add("Concat", [past, graph.heads(part)], f"{letter}{i}.next", axis=2))
    k, v = kept
    how = {"transB": 1, "alpha": graph.head_width**-0.5}
    queries = graph.heads(parts[0])
    scores = graph.add("FusedMatMul", [queries, k], domain="com.microsoft", **how)
    attention = graph.add("Softmax", [graph.add("Add", [scores, "mask"])], axis=-1)
    seen = graph.joined(graph.add("MatMul", [attention, v]))
    return graph.add("Add", [x, graph.linear(seen, graph.layer_of(f"{name}/linear_1"))]), kept


def _attention_to_sound(graph: Graph, x: str, i: int) -> tuple[str, str]:
    """With its input added, and the attention as :meth:`Graph.weighed` gives it."""
    name = f"decoder/layer_{i}/attention"
    times = graph.head_width**-0.5
    normed = graph.norm(x, f"{name}/layer_norm")
    asked = graph.linear(normed, graph.layer_of(f"{name}/linear_0", times=times))
    # The rows that look at the same sound: their queries go together.
    asked = graph.add("Gather", [asked, "rows"], axis=0)
    asked = graph.add("Reshape", [asked, "by_window"])
    asked = graph.add("Transpose", [asked], perm=[0, 2, 1, 3])
    asked = graph.add("Mul", [asked, f"ks{i}"])
    seen, attention = graph.weighed(_scores(graph, asked, f"ck{i}"), f"cv{i}")
    seen = graph.add("Mul", [seen, f"vs{i}"])
    seen = graph.add("Transpose", [seen], perm=[0, 2, 1, 3])
    seen = graph.add("Reshape", [seen, "by_place"])
    seen = graph.add("Gather", [seen, "places"], axis=0)
    seen = graph.linear(seen, graph.layer_of(f"{name}/linear_2"))
    return graph.add("Add", [x, seen]), attention


def _scores(graph: Graph, asked: str, keys: str) -> str:
    """How much each of ``asked`` (…, n, head_width) has to do with each of the ``keys`` (…,
    n_frames, head_width): (…, n, n_frames). The keys come first in the product, since they
    are read from memory for it: row by row that takes two thirds of the time."""
    sizes = graph.sizes(graph.add("Abs", [asked]), least=TINY)
    scale = np.float32(1 / largest_integer())
    how = [graph.constant(scale), graph.constant(np.int8(0))]
    even = graph.add("QuantizeLinear", [graph.add("Div", [asked, sizes]), *how])
    even = graph.add("Transpose", [even], perm=[0, 1, 3, 2])
    scores = graph.product(keys, graph.constant(scale), graph.constant(UNSIGNED), even)
    return graph.add("Mul", [graph.add("Transpose", [scores], perm=[0, 1, 3, 2]), sizes])
