"""The encoder's blocks compute what plain NumPy does, up to 8 bits.

They are private: only the whole graph is public, in which errors add up.
"""

from __future__ import annotations

import numpy as np

from asr_core.engines.onnx import encoder_graph
from asr_core.engines.onnx.layers import TransformerGraph
from tests.unit.engines.onnx import reference
from tests.unit.engines.onnx.small_graphs import ARRAYS, error, random, run
from tests.unit.engines.onnx.small_model import N_FRAMES, N_HEADS, N_MELS, WIDTH


def test_the_convolutions_are_near_the_float_ones() -> None:
    mel = random(1, N_MELS, N_FRAMES)
    [ours] = run(lambda graph: [encoder_graph._convolutions(graph, "mel")], mel=mel)
    x = reference.gelu(reference.convolution(ARRAYS, "encoder/conv1", mel[0], stride=1))
    x = reference.gelu(reference.convolution(ARRAYS, "encoder/conv2", x, stride=2))
    assert error(ours[0], x.T) < 0.03


def test_the_encoders_self_attention_is_near_the_float_one() -> None:
    x, name = random(1, 48, WIDTH), "encoder/layer_0/self_attention"

    def build(graph: TransformerGraph) -> list[str]:
        sizes = graph.constant(np.full(encoder_graph._QUERY_CHUNKS, 3))
        return [encoder_graph._self_attention(graph, "x", name, sizes)]

    [ours] = run(build, x=x)
    exact = reference.self_attention(ARRAYS, name, x[0], N_HEADS, is_causal=False)
    assert error(ours[0], exact) < 0.05
