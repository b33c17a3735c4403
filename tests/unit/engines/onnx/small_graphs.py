"""Small graphs of single blocks on random weights, run beside the NumPy reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import helper

from asr_core.engines.onnx.layers import TransformerGraph
from asr_core.engines.onnx.session import create_session
from tests.unit.engines.onnx.small_model import N_HEADS, WIDTH, random_arrays

__all__ = ["ARRAYS", "error", "random", "rng", "run"]

ARRAYS = random_arrays()
Build = Callable[[TransformerGraph], list[str]]


def rng() -> np.random.Generator:
    """Return a generator that is the same in every test."""
    return np.random.default_rng(2)


def random(*shape: int) -> np.ndarray:
    """Return normally distributed values of this shape, float32."""
    return rng().normal(size=shape).astype(np.float32)


def run(build: Build, dtypes: dict[str, int] | None = None, **inputs: np.ndarray) -> list:
    """Run a graph of a few nodes; its inputs are named as the arrays."""
    graph = TransformerGraph(ARRAYS, N_HEADS, WIDTH)
    infos = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), list(array.shape)
        )
        for name, array in inputs.items()
    ]
    outputs = build(graph)
    session = create_session(graph.serialize(infos, outputs, dtypes), n_threads=1)
    return session.run(None, inputs)


def error(ours: np.ndarray, exact: np.ndarray) -> float:
    """Return the relative distance of two arrays of one shape."""
    assert ours.shape == exact.shape
    return float(np.linalg.norm(ours - exact) / np.linalg.norm(exact))
