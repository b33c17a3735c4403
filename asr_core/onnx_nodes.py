"""An ONNX graph that grows node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import helper

__all__ = ["Nodes"]


class Nodes:
    """Nodes and weights as they are added, each named by what it gives; a name is made up
    where none is told. They stand in ``model`` from the beginning: put together later they
    would be copied twice."""

    def __init__(self) -> None:
        self.model = onnx.ModelProto()
        self.nodes = self.model.graph.node
        self.weights = self.model.graph.initializer

    def add(
        self, kind: str, inputs: Sequence[str], name: str = "", domain: str = "", **more: Any
    ) -> str:
        name = name or f"{kind}/{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], domain=domain, **more))
        return name

    def weight(self, name: str, value: ArrayLike) -> str:
        array = np.asarray(value)
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        self.weights.add(name=name, data_type=kind, dims=array.shape, raw_data=array.tobytes())
        return name

    def constant(self, value: ArrayLike) -> str:
        """A weight without a name of its own."""
        return self.weight(f"constant/{len(self.weights)}", value)
