"""Whisper's decoder on torch, from the weights that transformers loaded.

A decoding step is so small that transformers' own modules spend most of it in Python: 3.5 ms
a step with base on an H100.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding, gelu, layer_norm, linear, scaled_dot_product_attention

__all__ = ["TorchDecoder", "TorchEncodedAudio", "TorchKVCache"]

_FEW_ROWS = 16
"""Rows up to which a CPU multiplies faster with the embeddings first (docs/tuning.md)."""

_KeysValues = tuple[Tensor, Tensor]


@dataclass
class TorchEncodedAudio:
    """Encoder output of a batch; not for two threads at once.

    Attributes:
        encoded: (batch, n_frames, width).
        cross: cross-attention keys and values of each layer, computed on first use: decoding,
            decoding and alignment share them.
    """

    encoded: Tensor
    cross: Sequence[_KeysValues] | None = None


@dataclass
class TorchKVCache:
    """Keys and values of the tokens and the audio of a batch; updated by each forward pass.

    Attributes:
        cross: cross-attention keys and values of each layer, (batch, n_heads, n_frames,
            head_width).
        own: self-attention keys and values of each layer, allocated for all tokens.
        n_tokens: tokens seen so far.
    """

    cross: Sequence[_KeysValues]
    own: Sequence[_KeysValues]
    n_tokens: int = 0


class TorchDecoder:
    """Whisper's decoder; threads may share it, but not a :class:`TorchKVCache`.

    Args:
        model: transformers' ``WhisperForConditionalGeneration``, on its device.
        alignment_heads: layer and head of the cross-attention that follows the audio.
    """

    def __init__(self, model: Any, alignment_heads: Sequence[tuple[int, int]]) -> None:
        decoder = model.model.decoder
        self._n_heads: int = model.config.decoder_attention_heads
        self._layers = [_Layer(layer, self._n_heads) for layer in decoder.layers]
        self._embeddings: Tensor = decoder.embed_tokens.weight
        self._positions: Tensor = decoder.embed_positions.weight
        self._norm = _Norm(decoder.layer_norm)
        self._alignment_heads: dict[int, list[int]] = defaultdict(list)
        for layer, head in alignment_heads:
            self._alignment_heads[layer].append(head)

    def new_cache(self, audio: TorchEncodedAudio, n_tokens: int) -> TorchKVCache:
        """Return an empty cache with room for ``n_tokens``."""
        encoded = audio.encoded
        if audio.cross is None:
            audio.cross = [layer.cross_keys_values(encoded) for layer in self._layers]
        width = encoded.shape[-1] // self._n_heads
        room = (len(encoded), self._n_heads, n_tokens, width)
        own = [(encoded.new_empty(room), encoded.new_empty(room)) for _ in self._layers]
        return TorchKVCache(audio.cross, own)

    def forward(self, tokens: Tensor, cache: TorchKVCache) -> Tensor:
        """Return hidden states for :meth:`logits`, and add the tokens to the cache.

        Args:
            tokens: (batch, n_new); more than one a row only while the cache is empty.
            cache: of the tokens before them.

        Returns:
            (batch, n_new, width).
        """
        return self._forward(tokens, cache, None)

    def forward_with_attention(self, tokens: Tensor, cache: TorchKVCache) -> tuple[Tensor, Tensor]:
        """Return hidden states, and the cross-attention of the alignment heads.

        The latter is (batch, n_heads, n_new, n_frames) float32.
        """
        attentions: list[Tensor] = []
        hidden = self._forward(tokens, cache, attentions)
        return hidden, torch.cat(attentions, dim=1)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return (…, n_vocabulary) float32 logits of (…, width) hidden states."""
        rows = hidden.flatten(0, -2)
        if hidden.device.type != "cpu" or len(rows) > _FEW_ROWS:
            return linear(hidden, self._embeddings).float()
        at_least_two = rows.expand(2, -1) if len(rows) == 1 else rows
        logits = (self._embeddings @ at_least_two.mT).mT[: len(rows)]
        return logits.unflatten(0, hidden.shape[:-1]).float()

    def _forward(
        self, tokens: Tensor, cache: TorchKVCache, attentions: list[Tensor] | None
    ) -> Tensor:
        begin, end = cache.n_tokens, cache.n_tokens + tokens.shape[1]
        x = embedding(tokens, self._embeddings) + self._positions[begin:end]
        for i, (layer, own, cross) in enumerate(
            zip(self._layers, cache.own, cache.cross, strict=True)
        ):
            x = layer.self_attention(x, own, begin)
            query = layer.cross_query(x)
            if attentions is not None and i in self._alignment_heads:
                heads = self._alignment_heads[i]
                scores = query[:, heads] @ cross[0][:, heads].mT
                attentions.append((scores.float() * layer.scale).softmax(-1))
            x = layer.cross_attention(x, query, cross)
            x = layer.feed_forward(x)
        cache.n_tokens = end
        return self._norm(x)


class _Norm:
    def __init__(self, module: Any) -> None:
        self._shape, self._eps = module.normalized_shape, module.eps
        self._weight, self._bias = module.weight, module.bias

    def __call__(self, x: Tensor) -> Tensor:
        return layer_norm(x, self._shape, self._weight, self._bias, self._eps)


class _Layer:
    """Decoder layer; queries, keys and values of the tokens come from one product."""

    def __init__(self, layer: Any, n_heads: int) -> None:
        own, cross = layer.self_attn, layer.encoder_attn
        self._n_heads = n_heads
        self._own_norm = _Norm(layer.self_attn_layer_norm)
        self._cross_norm = _Norm(layer.encoder_attn_layer_norm)
        self._norm = _Norm(layer.final_layer_norm)
        no_bias = torch.zeros_like(own.q_proj.bias)  # keys have none
        self._qkv = (
            torch.cat([own.q_proj.weight, own.k_proj.weight, own.v_proj.weight]),
            torch.cat([own.q_proj.bias, no_bias, own.v_proj.bias]),
        )
        self._kv = (
            torch.cat([cross.k_proj.weight, cross.v_proj.weight]),
            torch.cat([no_bias, cross.v_proj.bias]),
        )
        self._query = (cross.q_proj.weight, cross.q_proj.bias)
        self._own_out = (own.out_proj.weight, own.out_proj.bias)
        self._cross_out = (cross.out_proj.weight, cross.out_proj.bias)
        self._inner = (layer.fc1.weight, layer.fc1.bias)
        self._outer = (layer.fc2.weight, layer.fc2.bias)
        self.scale = float((own.q_proj.weight.shape[0] // n_heads) ** -0.5)

    def cross_keys_values(self, encoded: Tensor) -> _KeysValues:
        """Return keys and values of the encoder's output."""
        keys, values = self._split(linear(encoded, *self._kv), 2)
        return keys.contiguous(), values.contiguous()

    def self_attention(self, x: Tensor, own: _KeysValues, begin: int) -> Tensor:
        """Return ``x`` (batch, n_new, width) after self-attention; update ``own`` in place."""
        query, key, value = self._split(linear(self._own_norm(x), *self._qkv), 3)
        end = begin + x.shape[1]
        for cached, new in zip(own, (key, value), strict=True):
            cached[:, :, begin:end] = new
        keys, values = (cached[:, :, :end] for cached in own)
        attended = scaled_dot_product_attention(query, keys, values, is_causal=x.shape[1] > 1)
        return x + linear(self._merge_heads(attended), *self._own_out)

    def cross_query(self, x: Tensor) -> Tensor:
        """Return the cross-attention query of ``x`` (batch, n_new, width)."""
        [query] = self._split(linear(self._cross_norm(x), *self._query), 1)
        return query

    def cross_attention(self, x: Tensor, query: Tensor, cross: _KeysValues) -> Tensor:
        """Return ``x`` after attention to the audio."""
        attended = scaled_dot_product_attention(query, *cross)
        return x + linear(self._merge_heads(attended), *self._cross_out)

    def feed_forward(self, x: Tensor) -> Tensor:
        """Return ``x`` after the feed-forward block."""
        return x + linear(gelu(linear(self._norm(x), *self._inner)), *self._outer)

    def _split(self, x: Tensor, n: int) -> tuple[Tensor, ...]:
        """Split (batch, n_new, n * width) into n of (batch, n_heads, n_new, head_width)."""
        batch, n_new, width = x.shape
        shape = (batch, n_new, n, self._n_heads, width // (n * self._n_heads))
        parts: tuple[Tensor, ...] = x.view(shape).permute(2, 0, 3, 1, 4).unbind()
        return parts

    @staticmethod
    def _merge_heads(x: Tensor) -> Tensor:
        """Return (batch, n_new, width) of (batch, n_heads, n_new, head_width)."""
        return x.transpose(1, 2).flatten(2)
