"""The decoder's blocks compute what plain NumPy does, up to 8 bits.

They are private: only the whole graph is public, in which errors add up.
"""

from __future__ import annotations

import numpy as np

from asr_core.engines.onnx import decoder_graph
from tests.unit.engines.onnx.small_graphs import error, random, rng, run
from tests.unit.engines.onnx.small_model import N_HEADS


def test_transposed_scores_are_near_the_float_ones() -> None:
    queries = random(1, N_HEADS, 5, 16)
    keys = rng().integers(128 - 63, 128 + 64, (1, N_HEADS, 40, 16), np.uint8)
    [ours] = run(
        lambda graph: [decoder_graph._scores(graph, "queries", "keys")],
        queries=queries,
        keys=keys,
    )
    exact = queries @ (keys.astype(np.float32) - 128).transpose(0, 1, 3, 2)
    assert error(ours, exact) < 0.02
