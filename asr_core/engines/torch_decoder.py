"""Whisper's decoder on torch, from the weights that transformers loaded.

A decoding step is so small that the library's own modules spend most of it in Python:
with base on an H100 a step took 3.5 ms with them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding, gelu, layer_norm, linear, scaled_dot_product_attention

__all__ = ["Past", "Sound", "TorchDecoder"]

_FEW_ROWS = 16
"""Up to so many rows a CPU is quicker when the embeddings come first in the product: with
tiny.en 2 to 7 ms in place of 14 to 20, for one row on its own 2 in place of 10."""


@dataclass
class Sound:
    """A batch as the encoder gives it; for one thread at a time.

    Attributes:
        encoded: (batch, n_frames, width).
        cross: what a decoder makes of it, of each layer, once it was asked to: to decode, to
            check a draft and to align take the same.
    """

    encoded: Tensor
    cross: Sequence[tuple[Tensor, Tensor]] | None = None


@dataclass
class Past:
    """What the decoder has seen of a batch; grows with each pass.

    Attributes:
        cross: of each layer keys and values of the sound, (batch, n_heads, n_frames,
            head_width).
        own: the same of the tokens, with room for those to come.
        n_tokens: so far.
    """

    cross: Sequence[tuple[Tensor, Tensor]]
    own: Sequence[tuple[Tensor, Tensor]]
    n_tokens: int = 0


class TorchDecoder:
    """Not for two threads at once with one ``Past``.

    Args:
        model: transformers' ``WhisperForConditionalGeneration``, on its device.
        alignment_heads: layer and head of those that follow the sound.
    """

    def __init__(self, model: Any, alignment_heads: Sequence[tuple[int, int]]) -> None:
        decoder = model.model.decoder
        self._n_heads: int = model.config.decoder_attention_heads
        self._layers = [_Layer(layer, self._n_heads) for layer in decoder.layers]
        self._embeddings: Tensor = decoder.embed_tokens.weight
        self._positions: Tensor = decoder.embed_positions.weight
        self._norm = _Norm(decoder.layer_norm)
        self._followers: dict[int, list[int]] = defaultdict(list)
        for layer, head in alignment_heads:
            self._followers[layer].append(head)

    def begin(self, sound: Sound, n_tokens: int) -> Past:
        """Before the first of ``n_tokens``."""
        encoded = sound.encoded
        if sound.cross is None:
            sound.cross = [layer.of_sound(encoded) for layer in self._layers]
        width = encoded.shape[-1] // self._n_heads
        room = (len(encoded), self._n_heads, n_tokens, width)
        own = [(encoded.new_empty(room), encoded.new_empty(room)) for _ in self._layers]
        return Past(sound.cross, own)

    def read(self, tokens: Tensor, past: Past) -> Tensor:
        """Take ``tokens`` (batch, n_new), several at once only as the first ones.

        Returns:
            (batch, n_new, width), for ``logits``.
        """
        return self._read(tokens, past, None)

    def follow(self, tokens: Tensor, past: Past) -> tuple[Tensor, Tensor]:
        """As ``read``; also where in the sound each token looks, (batch, n_heads, n_new,
        n_frames) of the alignment heads, in float32."""
        attentions: list[Tensor] = []
        hidden = self._read(tokens, past, attentions)
        return hidden, torch.cat(attentions, dim=1)

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, width) → (…, n_vocabulary), in float32."""
        rows = hidden.flatten(0, -2)
        if hidden.device.type != "cpu" or len(rows) > _FEW_ROWS:
            return linear(hidden, self._embeddings).float()
        several = rows.expand(2, -1) if len(rows) == 1 else rows
        turned = (self._embeddings @ several.mT).mT[: len(rows)]
        return turned.unflatten(0, hidden.shape[:-1]).float()

    def _read(self, tokens: Tensor, past: Past, attentions: list[Tensor] | None) -> Tensor:
        begin, end = past.n_tokens, past.n_tokens + tokens.shape[1]
        x = embedding(tokens, self._embeddings) + self._positions[begin:end]
        for i, (layer, own, cross) in enumerate(
            zip(self._layers, past.own, past.cross, strict=True)
        ):
            x = layer.after_own(x, own, begin)
            asked = layer.asked(x)
            if attentions is not None and i in self._followers:
                heads = self._followers[i]
                scores = asked[:, heads] @ cross[0][:, heads].mT
                attentions.append((scores.float() * layer.scale).softmax(-1))
            x = layer.after_sound(x, asked, cross)
        past.n_tokens = end
        return self._norm(x)


class _Norm:
    def __init__(self, module: Any) -> None:
        self._shape, self._eps = module.normalized_shape, module.eps
        self._weight, self._bias = module.weight, module.bias

    def __call__(self, x: Tensor) -> Tensor:
        return layer_norm(x, self._shape, self._weight, self._bias, self._eps)


class _Layer:
    """One layer's weights; keys, values and queries of the tokens come from one product."""

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

    def of_sound(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        keys, values = self._split(linear(encoded, *self._kv), 2)
        return keys.contiguous(), values.contiguous()

    def after_own(self, x: Tensor, own: tuple[Tensor, Tensor], begin: int) -> Tensor:
        """``x`` (batch, n_new, width) with what the tokens before and among it add."""
        query, key, value = self._split(linear(self._own_norm(x), *self._qkv), 3)
        end = begin + x.shape[1]
        for kept, new in zip(own, (key, value), strict=True):
            kept[:, :, begin:end] = new
        keys, values = (kept[:, :, :end] for kept in own)
        seen = scaled_dot_product_attention(query, keys, values, is_causal=x.shape[1] > 1)
        return x + linear(self._joined(seen), *self._own_out)

    def asked(self, x: Tensor) -> Tensor:
        """What (batch, n_new, width) asks of the sound."""
        [query] = self._split(linear(self._cross_norm(x), *self._query), 1)
        return query

    def after_sound(self, x: Tensor, asked: Tensor, cross: tuple[Tensor, Tensor]) -> Tensor:
        seen = scaled_dot_product_attention(asked, *cross)
        x = x + linear(self._joined(seen), *self._cross_out)
        return x + linear(gelu(linear(self._norm(x), *self._inner)), *self._outer)

    def _split(self, x: Tensor, n: int) -> tuple[Tensor, ...]:
        """(batch, n_new, n × width) → n times (batch, n_heads, n_new, head_width)."""
        batch, n_new, width = x.shape
        shape = (batch, n_new, n, self._n_heads, width // (n * self._n_heads))
        parts: tuple[Tensor, ...] = x.view(shape).permute(2, 0, 3, 1, 4).unbind()
        return parts

    @staticmethod
    def _joined(x: Tensor) -> Tensor:
        """(batch, n_heads, n_new, head_width) → (batch, n_new, width)."""
        return x.transpose(1, 2).flatten(2)
