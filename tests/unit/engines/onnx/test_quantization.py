"""Quantised weights are near the float ones."""

from __future__ import annotations

import numpy as np

from asr_core.engines.cpu_features import max_int8_weight
from asr_core.engines.onnx.quantization import QuantizedWeight
from tests.unit.engines.onnx.small_graphs import random


def test_weights_come_back_from_their_integers() -> None:
    weight = random(7, 64)
    weight[3] = 0
    quantized = QuantizedWeight.from_float(weight)
    assert np.abs(quantized.integers).max() <= max_int8_weight()
    back = quantized.integers * quantized.scales[:, None]
    assert (np.abs(back - weight) <= quantized.scales[:, None] / 2 + 1e-6).all()
