"""What makes a network's activations easier to quantise, at no cost in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Smoothed", "smoothing"]

_SHARE = 0.7
"""Of the unevenness that goes from a norm's outputs into the weights after it. base's encoder
is 7.1 % off the float model so, 8.6 with nothing."""

_SPREAD = 3
"""Deviations from the mean that a norm's output is expected to reach."""

_LEAST = np.float32(1e-5)


FloatArray = NDArray[np.float32]


def smoothing(gamma: FloatArray, beta: FloatArray, weight: FloatArray) -> FloatArray:
    """(n_in,) factors for the columns of ``weight`` (n_out, n_in), by which the outputs of the
    norm before it are to be divided: the network computes what it did, but one scale fits all
    of an activation better (SmoothQuant, Xiao et al. 2023; the sizes are read off the norm,
    where they measure them on data)."""
    size = np.maximum(_SPREAD * np.abs(gamma) + np.abs(beta), _LEAST)
    largest = np.maximum(weight.max(axis=0), -weight.min(axis=0))
    factors: FloatArray = size**_SHARE / np.maximum(largest, _LEAST) ** (1 - _SHARE)
    return factors


class Smoothed(Mapping[str, NDArray[Any]]):
    """``arrays`` of a Whisper model with :func:`smoothing` at each norm that goes into a
    ``linear_0``."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = arrays
        self._known: dict[str, FloatArray] = {}  # factors, by the part of the model

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __getitem__(self, name: str) -> NDArray[Any]:
        array = self._arrays[name]
        part, _, rest = name.rpartition("/linear_0/")
        if part and rest == "weight" and f"{part}/layer_norm/gamma" in self._arrays:
            return array * self._factors(part)
        part = name.rpartition("/layer_norm/")[0]
        if part and f"{part}/linear_0/weight" in self._arrays:
            return array / self._factors(part)
        return array

    def _factors(self, part: str) -> FloatArray:
        if part not in self._known:
            names = ("layer_norm/gamma", "layer_norm/beta", "linear_0/weight")
            gamma, beta, weight = (self._arrays[f"{part}/{name}"] for name in names)
            self._known[part] = smoothing(gamma, beta, weight)
        return self._known[part]
