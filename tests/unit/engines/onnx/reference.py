"""Whisper in plain NumPy and float32: what the ONNX graphs approximate, block by block.

Weights come by CTranslate2's names: ``linear_0`` of self-attention stacks queries, keys and
values, ``linear_1`` of cross-attention keys and values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Arrays = dict[str, np.ndarray]

_erf = np.vectorize(math.erf)


def layer_norm(arrays: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    """Normalise the last axis to mean 0 and variance 1, then scale and shift it."""
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return centred / deviation * arrays[f"{name}/gamma"] + arrays[f"{name}/beta"]


def linear(arrays: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    """Multiply by the weight (n_out, n_in) and add the bias."""
    return x @ arrays[f"{name}/weight"].T + arrays[f"{name}/bias"]


def gelu(x: np.ndarray) -> np.ndarray:
    """Return ``x`` times the normal distribution function of ``x``."""
    return (x * (1 + _erf(x / math.sqrt(2))) / 2).astype(np.float32)


def softmax(x: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def log_softmax(x: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax over the last axis."""
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


def split_heads(x: np.ndarray, n_heads: int) -> np.ndarray:
    """Rearrange (n_positions, width) to (n_heads, n_positions, head_width)."""
    return x.reshape(len(x), n_heads, -1).transpose(1, 0, 2)


def merge_heads(x: np.ndarray) -> np.ndarray:
    """Rearrange (n_heads, n_positions, head_width) to (n_positions, width)."""
    return x.transpose(1, 0, 2).reshape(x.shape[1], -1)


def attention_weights(q: np.ndarray, k: np.ndarray, mask: np.ndarray | float = 0) -> np.ndarray:
    """Return the softmax of scaled dot products, (n_heads, n_queries, n_keys)."""
    return softmax(q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1]) + mask)


def self_attention(
    arrays: Arrays, name: str, x: np.ndarray, n_heads: int, *, is_causal: bool
) -> np.ndarray:
    """Return the block's output without its residual."""
    qkv = linear(arrays, f"{name}/linear_0", layer_norm(arrays, f"{name}/layer_norm", x))
    q, k, v = (split_heads(part, n_heads) for part in np.split(qkv, 3, axis=-1))
    mask = np.triu(np.full((len(x), len(x)), -np.inf), 1) if is_causal else 0.0
    return linear(arrays, f"{name}/linear_1", merge_heads(attention_weights(q, k, mask) @ v))


def cross_attention(
    arrays: Arrays, name: str, x: np.ndarray, encoded: np.ndarray, n_heads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the block's output without its residual, and the attention of each head."""
    q = linear(arrays, f"{name}/linear_0", layer_norm(arrays, f"{name}/layer_norm", x))
    k, v = np.split(linear(arrays, f"{name}/linear_1", encoded), 2, axis=-1)
    q, k, v = (split_heads(part, n_heads) for part in (q, k, v))
    attention = attention_weights(q, k)
    return linear(arrays, f"{name}/linear_2", merge_heads(attention @ v)), attention


def feed_forward(arrays: Arrays, name: str, x: np.ndarray) -> np.ndarray:
    """Return the block's output without its residual."""
    inner = gelu(linear(arrays, f"{name}/linear_0", layer_norm(arrays, f"{name}/layer_norm", x)))
    return linear(arrays, f"{name}/linear_1", inner)


def convolution(arrays: Arrays, name: str, x: np.ndarray, stride: int) -> np.ndarray:
    """Convolve (n_channels, n) with a kernel three wide, padded by one: (n_out, n / stride)."""
    padded = np.pad(x, ((0, 0), (1, 1)))
    weight, bias = arrays[f"{name}/weight"], arrays[f"{name}/bias"]
    fields = [padded[:, at : at + 3] for at in range(0, x.shape[1], stride)]
    return np.stack([np.tensordot(weight, field, 2) + bias for field in fields], axis=1)


def encode(arrays: Arrays, mel: np.ndarray) -> np.ndarray:
    """Encode a log-mel spectrogram (n_mels, n_frames) to (n_frames / 2, width)."""
    n_heads = int(arrays["encoder/num_heads"])
    x = gelu(convolution(arrays, "encoder/conv1", mel, stride=1))
    x = gelu(convolution(arrays, "encoder/conv2", x, stride=2)).T
    x = x + arrays["encoder/position_encodings/encodings"][: len(x)]
    for i in range(_n_layers(arrays, "encoder")):
        name = f"encoder/layer_{i}"
        x = x + self_attention(arrays, f"{name}/self_attention", x, n_heads, is_causal=False)
        x = x + feed_forward(arrays, f"{name}/ffn", x)
    return layer_norm(arrays, "encoder/layer_norm", x)


def decode(
    arrays: Arrays, tokens: Sequence[int], encoded: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Decode a whole text at once.

    Returns:
        Logits (n_tokens, n_vocabulary), and by layer the cross-attention (n_heads, n_tokens,
        n_frames).
    """
    n_heads = int(arrays["decoder/num_heads"])
    embeddings = arrays["decoder/embeddings/weight"]
    positions = arrays["decoder/position_encodings/encodings"][: len(tokens)]
    x, attentions = embeddings[list(tokens)] + positions, []
    for i in range(_n_layers(arrays, "decoder")):
        name = f"decoder/layer_{i}"
        x = x + self_attention(arrays, f"{name}/self_attention", x, n_heads, is_causal=True)
        output, attention = cross_attention(arrays, f"{name}/attention", x, encoded, n_heads)
        x = x + output
        x = x + feed_forward(arrays, f"{name}/ffn", x)
        attentions.append(attention)
    return layer_norm(arrays, "decoder/layer_norm", x) @ embeddings.T, attentions


def _n_layers(arrays: Arrays, part: str) -> int:
    return sum(name.startswith(part) and name.endswith("ffn/layer_norm/beta") for name in arrays)
