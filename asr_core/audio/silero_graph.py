"""Silero's network with its convolutions rewritten as matrix products.

ONNX Runtime computes the convolutions frame by frame, four columns at a time. As matrix products
over all frames of a block the network takes a third of the time, with the same output.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from asr_core.onnx_graph import GraphBuilder

__all__ = ["convolutions_as_matmul"]

_HOP = 128  # samples between the columns of a frame
_N_COLUMNS = 4
_STRIDES = (1, 2, 2, 1)  # of the convolutions, all of kernel size 3


def convolutions_as_matmul(path: Path) -> bytes:
    """Return the network in ``path`` with the same inputs and outputs, serialised.

    The convolutional front end is rebuilt from its weights; the recurrent part is kept.
    """
    model = onnx.load(str(path))
    weights = {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}
    op_types = [node.op_type for node in model.graph.node]
    padding, rest = (
        model.graph.node[op_types.index("Pad")],
        model.graph.node[op_types.index("LSTM") :],
    )
    front = _FrontEnd(weights)
    columns = front.magnitudes(padding.output[0])
    for i, stride in enumerate(_STRIDES):
        columns = front.convolution(columns, i, stride)
    columns = front.add("Identity", [columns], rest[0].input[0])
    nodes = [padding, *front.nodes, *rest]
    kept = {name for node in (padding, *rest) for name in node.input}
    initialisers = [w for w in model.graph.initializer if w.name in kept] + list(front.weights)
    inputs, outputs = model.graph.input, model.graph.output
    graph = helper.make_graph(nodes, "vad", inputs, outputs, initialisers)
    made = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(made.SerializeToString())


class _FrontEnd(GraphBuilder):
    """Builder of the convolutional front end from the weights in the file."""

    def __init__(self, weights: dict[str, NDArray[Any]]) -> None:
        super().__init__()
        self._file_weights = weights

    def slice_axis(self, x: str, axis: int, start: int, end: int, step: int = 1) -> str:
        edges = [self.constant([value]) for value in (start, end, axis, step)]
        return self.add("Slice", [x, *edges])

    def magnitudes(self, samples: str) -> str:
        """Return the magnitude spectra: (n_frames, n_samples) → (n_frames, n_columns, n_bins)."""
        basis = self._file_weights["encoder.feature_extractor.forward_basis_buffer"][:, 0]
        n_bins, size = len(basis) // 2, basis.shape[1]
        # The first column is half before the frame; Silero leaves it out.
        starts = [_HOP * (i + 1) for i in range(_N_COLUMNS)]
        columns = self.add(
            "Concat", [self.slice_axis(samples, 1, s, s + size) for s in starts], axis=1
        )
        columns = self.add("Reshape", [columns, self.constant([0, _N_COLUMNS, size])])
        squares = []
        for half in (basis[:n_bins], basis[n_bins:]):
            x = self.add("MatMul", [columns, self.constant(half.T)])
            squares.append(self.add("Mul", [x, x]))
        return self.add("Sqrt", [self.add("Add", squares)])

    def convolution(self, columns: str, i: int, stride: int) -> str:
        """Return convolution and ReLU: (n_frames, n_columns, n_in) → (n_frames, fewer, n_out)."""
        weight = self._file_weights[f"encoder.conv_layers.{i}.weight"]  # (n_out, n_in, 3)
        bias = self._file_weights[f"encoder.conv_layers.{i}.bias"]
        n_columns = _N_COLUMNS // int(np.prod(_STRIDES[:i]))
        padded = self.add("Pad", [columns, self.constant([0, 1, 0, 0, 1, 0])])
        taps = [
            self.slice_axis(padded, 1, k, k + n_columns, stride) for k in range(weight.shape[2])
        ]
        x = self.add("Concat", taps, axis=2)
        product = self.constant(weight.transpose(2, 1, 0).reshape(-1, len(weight)))
        x = self.add("Add", [self.add("MatMul", [x, product]), self.constant(bias)])
        return self.add("Relu", [x])
