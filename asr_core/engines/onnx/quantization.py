"""Weights as 8-bit integers with one scale per output channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr_core.engines.cpu_features import max_int8_weight

__all__ = ["QuantizedWeight"]

_MIN_WEIGHT_MAGNITUDE = 1e-10  # keeps the scale of an all-zero row above zero

_ROWS_AT_ONCE = 4096  # base's whole embedding matrix would be 100 MB in float32


@dataclass(frozen=True)
class QuantizedWeight:
    """Weight matrix in int8, quantised symmetrically for each output channel.

    Attributes:
        integers: (n_out, n_in).
        scales: (n_out,); ``integers * scales[:, None]`` approximates the weight.
    """

    integers: NDArray[np.int8]
    scales: NDArray[np.float32]

    @classmethod
    def from_float(cls, weight: NDArray[np.float32]) -> QuantizedWeight:
        """Quantise a (n_out, n_in) weight to the range the CPU multiplies exactly."""
        magnitudes = np.maximum(weight.max(axis=1), -weight.min(axis=1))
        scales = (
            np.maximum(magnitudes, _MIN_WEIGHT_MAGNITUDE).astype(np.float32) / max_int8_weight()
        )
        integers = np.empty(weight.shape, np.int8)
        for start in range(0, len(weight), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            integers[rows] = np.rint(weight[rows] * (1 / scales[rows])[:, None])
        return cls(integers, scales)
