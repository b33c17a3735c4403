"""Whisper's encoder on ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr_core.engines.onnx.graph_cache import GraphCache
from asr_core.models.ctranslate2_format import FloatArrays

__all__ = ["OnnxEncoder"]


class OnnxEncoder:
    """Whisper encoder. Any thread may call; calls run side by side.

    Args:
        directory: a model in CTranslate2 format.
        graphs: keeps the model's graph.
        n_threads: of one call.

    Raises:
        KeyError: the model in ``directory`` is no Whisper model.
        ModelError: it cannot be read.
    """

    def __init__(self, directory: Path, graphs: GraphCache, *, n_threads: int) -> None:
        arrays = FloatArrays(directory / "model.bin")
        self.n_mels = arrays.shape("encoder/conv1/weight")[1]

        def build() -> bytes:
            from asr_core.engines.onnx.encoder_graph import encoder_graph  # imports onnx

            return encoder_graph(arrays)

        # In order, so that one chunk of a feed-forward block is over before the next begins.
        self._session = graphs.session("encoder", build, n_threads=n_threads, in_order=True)

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encode log-mel windows.

        Args:
            features: (n_windows, n_mels, n_frames), at least 32 frames.

        Returns:
            (n_windows, n_frames / 2, width).
        """
        # One by one: together they are no quicker, and would share the activations' scales.
        encoded = [self._session.run(None, {"mel": window[None]})[0] for window in features]
        return np.concatenate(encoded)
