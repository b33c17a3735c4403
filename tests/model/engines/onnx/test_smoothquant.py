"""SmoothQuant keeps the network's function and evens out its activations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr_core.engines.onnx.smoothquant import SmoothQuantWeights, smoothing_factors
from asr_core.models.ctranslate2_format import FloatArrays


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def uneven(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A layer norm with a few outputs far above the others, and the linear layer after it."""
    gamma = rng.uniform(0.2, 1, 32).astype(np.float32)
    gamma[:3] *= 40
    return {
        "layer/ffn/layer_norm/gamma": gamma,
        "layer/ffn/layer_norm/beta": rng.normal(size=32).astype(np.float32),
        "layer/ffn/linear_0/weight": rng.normal(size=(48, 32)).astype(np.float32),
        "layer/ffn/linear_1/weight": rng.normal(size=(32, 48)).astype(np.float32),
    }


def after(
    arrays: dict[str, np.ndarray] | SmoothQuantWeights, x: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the norm's output for ``x`` and the linear layer's."""
    gamma, beta = (arrays[f"layer/ffn/layer_norm/{part}"] for part in ("gamma", "beta"))
    normed = gamma * x + beta
    return normed, normed @ arrays["layer/ffn/linear_0/weight"].T


def test_smoothing_does_not_change_the_output(
    uneven: dict[str, np.ndarray], rng: np.random.Generator
) -> None:
    x = rng.normal(size=(5, 32)).astype(np.float32)
    smooth = SmoothQuantWeights(uneven)
    (rough, before), (even, now) = after(uneven, x), after(smooth, x)
    np.testing.assert_allclose(now, before, rtol=1e-3, atol=1e-3)
    largest = [np.abs(values).max(axis=0) for values in (rough, even)]
    assert largest[1].max() / np.median(largest[1]) < largest[0].max() / np.median(largest[0]) / 2
    assert smooth["layer/ffn/linear_1/weight"] is uneven["layer/ffn/linear_1/weight"]
    assert set(smooth) == set(uneven) and len(smooth) == len(uneven)


def test_outputs_that_are_always_zero_stay_finite() -> None:
    zero, one = np.zeros(4, np.float32), np.ones((2, 4), np.float32)
    factors = smoothing_factors(zero, zero, one)
    assert np.isfinite(factors).all() and (factors > 0).all()
    assert np.isfinite(1 / smoothing_factors(zero + 1, zero, 0 * one)).all()


def test_every_norm_inside_a_layer_of_a_real_model_is_smoothed(tiny_en: Path) -> None:
    arrays = FloatArrays(tiny_en / "model.bin")
    smooth = SmoothQuantWeights(arrays)
    changed = {name for name in arrays if (smooth[name] != arrays[name]).any()}
    parts = [f"{part}/layer_{i}" for part in ("encoder", "decoder") for i in range(4)]
    blocks = [f"{part}/{block}" for part in parts for block in ("self_attention", "ffn")]
    blocks += [f"decoder/layer_{i}/attention" for i in range(4)]
    names = ("layer_norm/gamma", "layer_norm/beta", "linear_0/weight")
    assert changed == {f"{block}/{name}" for block in blocks for name in names}
