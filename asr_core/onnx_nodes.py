"""An ONNX graph that grows node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import helper, numpy_helper

__all__ = ["Nodes"]


class Nodes:
    """Nodes and weights as they are added, each named by what it gives; a name is made up
    where none is told."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(
        self, kind: str, inputs: Sequence[str], name: str = "", domain: str = "", **more: Any
    ) -> str:
        name = name or f"{kind}/{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], domain=domain, **more))
        return name

    def weight(self, name: str, value: ArrayLike) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def constant(self, value: ArrayLike) -> str:
        """A weight without a name of its own."""
        return self.weight(f"constant/{len(self.weights)}", value)
