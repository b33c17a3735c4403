"""SmoothQuant: move the spread of activations into the weights, where it quantises better.

Xiao et al. 2023, "SmoothQuant". The paper measures activation magnitudes on data; here they
are read off the layer norm's parameters, so no calibration data is needed and inference
costs nothing extra.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SmoothQuantWeights", "smoothing_factors"]

_MIGRATION_STRENGTH = 0.7  # the paper's alpha (docs/tuning.md)

_EXPECTED_DEVIATIONS = 3  # standard deviations that a norm's output is expected to reach

_MIN_CHANNEL_MAGNITUDE = np.float32(1e-5)  # keeps factors of dead channels finite


FloatArray = NDArray[np.float32]


def smoothing_factors(gamma: FloatArray, beta: FloatArray, weight: FloatArray) -> FloatArray:
    """Compute the factor of each input channel of the linear layer after a layer norm.

    The weight's columns are multiplied by the factors and the norm's outputs divided by
    them: the product stays the same, and one scale fits all channels better.

    Args:
        gamma: (n_in,) of the layer norm.
        beta: (n_in,) of the layer norm.
        weight: (n_out, n_in) of the linear layer.

    Returns:
        (n_in,) factors above zero.
    """
    activations = np.maximum(
        _EXPECTED_DEVIATIONS * np.abs(gamma) + np.abs(beta), _MIN_CHANNEL_MAGNITUDE
    )
    weights = np.maximum(weight.max(axis=0), -weight.min(axis=0))
    factors: FloatArray = activations**_MIGRATION_STRENGTH / np.maximum(
        weights, _MIN_CHANNEL_MAGNITUDE
    ) ** (1 - _MIGRATION_STRENGTH)
    return factors


class SmoothQuantWeights(Mapping[str, NDArray[Any]]):
    """Arrays of a Whisper model, smoothed at each layer norm that feeds a ``linear_0``."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = arrays
        self._factors: dict[str, FloatArray] = {}  # by the block's name

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __getitem__(self, name: str) -> NDArray[Any]:
        array = self._arrays[name]
        block, _, parameter = name.rpartition("/linear_0/")
        if block and parameter == "weight" and f"{block}/layer_norm/gamma" in self._arrays:
            return array * self._factors_of(block)
        block = name.rpartition("/layer_norm/")[0]
        if block and f"{block}/linear_0/weight" in self._arrays:
            return array / self._factors_of(block)
        return array

    def _factors_of(self, block: str) -> FloatArray:
        if block not in self._factors:
            names = ("layer_norm/gamma", "layer_norm/beta", "linear_0/weight")
            gamma, beta, weight = (self._arrays[f"{block}/{name}"] for name in names)
            self._factors[block] = smoothing_factors(gamma, beta, weight)
        return self._factors[block]
