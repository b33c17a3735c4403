"""Step-by-step construction of an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import helper

__all__ = ["GraphBuilder"]


class GraphBuilder:
    """Builder of an ONNX graph, which adds one node or weight at a time.

    Nodes are named after their output; a name is generated if none is given. They are added to
    ``model`` in place, since assembling it at the end would copy all weights twice.
    """

    def __init__(self) -> None:
        self.model = onnx.ModelProto()
        self.nodes = self.model.graph.node
        self.weights = self.model.graph.initializer

    def add(
        self,
        op_type: str,
        inputs: Sequence[str],
        name: str = "",
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node, and return the name of its output."""
        name = name or f"{op_type}/{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [name], domain=domain, **attributes))
        return name

    def weight(self, name: str, value: ArrayLike) -> str:
        """Add a weight, and return its name."""
        array = np.asarray(value)
        tensor_type = helper.np_dtype_to_tensor_dtype(array.dtype)
        self.weights.add(
            name=name, data_type=tensor_type, dims=array.shape, raw_data=array.tobytes()
        )
        return name

    def constant(self, value: ArrayLike) -> str:
        """Add a weight with a generated name, and return the name."""
        return self.weight(f"constant/{len(self.weights)}", value)
