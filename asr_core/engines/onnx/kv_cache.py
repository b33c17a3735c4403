"""Caches that a decoder step reads: those of self-attention and of cross-attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from asr_core.engines.onnx.dimensions import DecoderDimensions

__all__ = ["CrossAttentionCache", "KVCache", "SelfAttentionCache"]


@dataclass(frozen=True)
class SelfAttentionCache:
    """Keys and values of the tokens so far, of one layer.

    Attributes:
        keys: (n_rows, n_heads, n_tokens, head_width) float32.
        values: of the same shape.
    """

    keys: onnxruntime.OrtValue
    values: onnxruntime.OrtValue

    @staticmethod
    def tensor_names(layer: int) -> tuple[str, str]:
        """Return the names of a layer's keys and values in the decoder graph."""
        return f"self_keys_{layer}", f"self_values_{layer}"

    @classmethod
    def empty(cls, dimensions: DecoderDimensions) -> SelfAttentionCache:
        """Return the cache of one row before its first token."""
        shape = (1, dimensions.n_heads, 0, dimensions.head_width)
        nothing = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
        return cls(nothing, nothing)


@dataclass(frozen=True)
class CrossAttentionCache:
    """Keys and values of the encoded audio in 8 bits, of one layer.

    They are most of what a step reads from memory.

    Attributes:
        keys: (n_windows, n_heads, n_frames, head_width), with 128 as their zero.
        key_scales: (n_windows, n_heads, 1, head_width).
        values: (n_windows, n_heads, n_frames, head_width).
        value_scales: (n_windows, n_heads, 1, head_width).
    """

    keys: NDArray[np.uint8]
    key_scales: NDArray[np.float32]
    values: NDArray[np.int8]
    value_scales: NDArray[np.float32]

    @staticmethod
    def tensor_names(layer: int) -> tuple[str, str, str, str]:
        """Return the names of a layer's fields in the graphs, in their order."""
        return (
            f"cross_keys_{layer}",
            f"cross_key_scales_{layer}",
            f"cross_values_{layer}",
            f"cross_value_scales_{layer}",
        )

    def without_window(self, window: int) -> CrossAttentionCache:
        """Return the cache less one window, whose place the last one takes.

        The arrays are overwritten, since a copy would double their memory.
        """
        parts = [getattr(self, field.name) for field in fields(self)]
        for part in parts:
            part[window] = part[-1]
        return CrossAttentionCache(*(part[:-1] for part in parts))


@dataclass(frozen=True)
class KVCache:
    """Decoder state before a step: tokens by row, encoded audio by window.

    Attributes:
        n_tokens: positions of each row so far.
        self_attention: by layer.
        cross_attention: by layer.
    """

    n_tokens: int
    self_attention: Sequence[SelfAttentionCache]
    cross_attention: Sequence[CrossAttentionCache]

    def without_window(self, window: int) -> KVCache:
        """Return the cache less one window's audio, whose place the last window takes.

        The audio's arrays are overwritten: this cache must not be used any more.
        """
        left = [layer.without_window(window) for layer in self.cross_attention]
        return KVCache(self.n_tokens, self.self_attention, left)
