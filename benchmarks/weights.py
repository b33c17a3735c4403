"""Conversion of our weights to the formats of openai-whisper and whisper.cpp, for fair comparisons."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration

from asr_core.engines.whisper.features import mel_filters
from asr_core.models.ctranslate2_format import convert_to_transformers

__all__ = ["to_ggml", "to_openai"]

_RENAMED_ARRAYS = (
    (r"^model\.", ""),
    (r"\.layers\.", ".blocks."),
    (r"self_attn_layer_norm", "attn_ln"),
    (r"encoder_attn_layer_norm", "cross_attn_ln"),
    (r"self_attn\.", "attn."),
    (r"encoder_attn\.", "cross_attn."),
    (r"q_proj", "query"),
    (r"k_proj", "key"),
    (r"v_proj", "value"),
    (r"out_proj", "out"),
    (r"fc1", "mlp.0"),
    (r"fc2", "mlp.2"),
    (r"final_layer_norm", "mlp_ln"),
    (r"encoder\.layer_norm", "encoder.ln_post"),
    (r"decoder\.layer_norm", "decoder.ln"),
    (r"embed_tokens", "token_embedding"),
    (r"embed_positions\.weight", "positional_embedding"),
)


def to_openai(directory: Path, target: Path) -> None:
    """Write a checkpoint that ``whisper.load_model`` reads, in 32 bits."""
    model = convert_to_transformers(directory)
    torch.save({"dims": _dimensions(model), "model_state_dict": _openai_names(model)}, target)


def _openai_names(model: WhisperForConditionalGeneration) -> dict[str, torch.Tensor]:
    named = {}
    for old, tensor in model.state_dict().items():
        name = old
        for pattern, replacement in _RENAMED_ARRAYS:
            name = re.sub(pattern, replacement, name)
        if name != "proj_out.weight":  # tied to the embedding
            named[name] = tensor
    return named


def _dimensions(model: WhisperForConditionalGeneration) -> dict[str, int]:
    config = model.config
    return {
        "n_mels": config.num_mel_bins,
        "n_audio_ctx": 1500,
        "n_audio_state": config.d_model,
        "n_audio_head": config.encoder_attention_heads,
        "n_audio_layer": config.encoder_layers,
        "n_vocab": config.vocab_size,
        "n_text_ctx": 448,
        "n_text_state": config.d_model,
        "n_text_head": config.decoder_attention_heads,
        "n_text_layer": config.decoder_layers,
    }


def to_ggml(directory: Path, target: Path) -> None:
    """Write a file that whisper.cpp reads, with matrices in 16 bits (the format's default)."""
    model = convert_to_transformers(directory)
    d = _dimensions(model)
    with target.open("wb") as file:
        file.write(struct.pack("<i", 0x67676D6C))
        order = ("n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer")
        order += ("n_text_ctx", "n_text_state", "n_text_head", "n_text_layer", "n_mels")  # type: ignore[assignment]
        file.write(struct.pack("<11i", *(d[name] for name in order), 1))
        filters = mel_filters(d["n_mels"])
        file.write(struct.pack("<2i", *filters.shape))
        file.write(np.ascontiguousarray(filters, np.float32).tobytes())
        tokens = _tokens(directory)
        file.write(struct.pack("<i", len(tokens)))
        for token in tokens:
            file.write(struct.pack("<i", len(token)) + token)
        for name, tensor in _openai_names(model).items():
            _write_tensor(file, name, tensor.numpy())


def _tokens(directory: Path) -> list[bytes]:
    """Return the bytes of the text tokens, ordered by id."""
    vocabulary = json.loads((directory / "tokenizer.json").read_text())["model"]["vocab"]
    byte_of = {character: byte for byte, character in _characters().items()}
    texts = [t for t, _ in sorted(vocabulary.items(), key=lambda item: item[1]) if "<|" not in t]
    return [bytes(byte_of[c] for c in text) for text in texts]


def _characters() -> dict[int, str]:
    """Return GPT-2's printable character for every byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


def _write_tensor(file: BinaryIO, name: str, array: np.ndarray) -> None:
    if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        array = array.reshape(-1, 1)
    is_small = (
        array.ndim < 2 or "positional_embedding" in name or ("conv" in name and "bias" in name)
    )
    array = array.astype(np.float32 if is_small else np.float16)
    encoded = name.encode()
    file.write(struct.pack("<3i", array.ndim, len(encoded), 0 if is_small else 1))
    file.write(struct.pack(f"<{array.ndim}i", *reversed(array.shape)))
    file.write(encoded + array.tobytes())
