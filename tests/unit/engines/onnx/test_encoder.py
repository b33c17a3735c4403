"""The encoder computes what plain NumPy does, up to 8 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asr_core.engines.onnx.encoder import OnnxEncoder
from asr_core.engines.onnx.graph_cache import GraphCache
from tests.unit.engines.onnx import reference
from tests.unit.engines.onnx.small_graphs import ARRAYS, error, random
from tests.unit.engines.onnx.small_model import N_FRAMES, N_MELS, write_model


def test_the_encoder_is_near_the_float_one(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", ARRAYS)
    mel = random(2, N_MELS, N_FRAMES)
    ours = OnnxEncoder(model, GraphCache(model), n_threads=1)(mel)
    exact = np.stack([reference.encode(ARRAYS, window) for window in mel])
    assert error(ours, exact) < 0.05
