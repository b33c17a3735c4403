"""A Whisper model of a few thousand random weights, in CTranslate2's names and format."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]

N_LAYERS, N_HEADS, WIDTH, INNER_WIDTH = 2, 2, 32, 128
N_MELS, N_FRAMES, MAX_TOKENS, N_VOCABULARY = 8, 96, 24, 60
SUPPRESSED, ALIGNMENT_HEADS = [3, 7], [[1, 0], [1, 1]]


def random_arrays(seed: int = 0) -> Arrays:
    """Weights of about the spread that trained ones have."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
        return (scale * rng.normal(size=shape)).astype(np.float32)

    def linear(name: str, n_out: int, n_in: int) -> Arrays:
        weight = normal(n_out, n_in, scale=n_in**-0.5)
        return {f"{name}/weight": weight, f"{name}/bias": normal(n_out, scale=0.1)}

    def layer_norm(name: str) -> Arrays:
        gamma = rng.uniform(0.5, 1.5, WIDTH).astype(np.float32)
        return {f"{name}/gamma": gamma, f"{name}/beta": normal(WIDTH, scale=0.1)}

    def block(name: str, *sizes: tuple[int, int]) -> Arrays:
        arrays = layer_norm(f"{name}/layer_norm")
        for i, (n_out, n_in) in enumerate(sizes):
            arrays |= linear(f"{name}/linear_{i}", n_out, n_in)
        return arrays

    arrays: Arrays = {}
    for part in ("encoder", "decoder"):
        arrays[f"{part}/num_heads"] = np.array(N_HEADS, np.int8)
        arrays |= layer_norm(f"{part}/layer_norm")
        for i in range(N_LAYERS):
            layer = f"{part}/layer_{i}"
            arrays |= block(f"{layer}/self_attention", (3 * WIDTH, WIDTH), (WIDTH, WIDTH))
            arrays |= block(f"{layer}/ffn", (INNER_WIDTH, WIDTH), (WIDTH, INNER_WIDTH))
            if part == "decoder":
                sizes = ((WIDTH, WIDTH), (2 * WIDTH, WIDTH), (WIDTH, WIDTH))
                arrays |= block(f"{layer}/attention", *sizes)
    for name, n_in in (("conv1", N_MELS), ("conv2", WIDTH)):
        arrays[f"encoder/{name}/weight"] = normal(WIDTH, n_in, 3, scale=(3 * n_in) ** -0.5)
        arrays[f"encoder/{name}/bias"] = normal(WIDTH, scale=0.1)
    arrays["encoder/position_encodings/encodings"] = normal(N_FRAMES, WIDTH, scale=0.1)
    arrays["decoder/position_encodings/encodings"] = normal(MAX_TOKENS, WIDTH, scale=0.1)
    arrays["decoder/embeddings/weight"] = normal(N_VOCABULARY, WIDTH)
    return arrays


def write_model(directory: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write ``model.bin`` and ``config.json``; return the directory."""
    kinds = {"float32": 0, "int8": 1}
    parts = [struct.pack("<I", 6), _text("WhisperSpec"), struct.pack("<II", 3, len(arrays))]
    for name, array in arrays.items():
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        size = struct.pack("<BI", kinds[array.dtype.name], array.nbytes)
        parts += [_text(name), shape, size, array.tobytes()]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.bin").write_bytes(b"".join([*parts, struct.pack("<I", 0)]))
    config = {"suppress_ids": SUPPRESSED, "alignment_heads": ALIGNMENT_HEADS}
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def _text(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"
