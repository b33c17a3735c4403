"""Sizes of a Whisper decoder."""

from __future__ import annotations

from dataclasses import dataclass

from asr_core.models.ctranslate2_format import FloatArrays, count_layers

__all__ = ["EMBEDDINGS", "DecoderDimensions"]

EMBEDDINGS = "decoder/embeddings/weight"
"""CTranslate2's name of the token embeddings, which are the output projection as well."""


@dataclass(frozen=True)
class DecoderDimensions:
    """Sizes of a decoder, read off the shapes of its weights."""

    n_layers: int
    n_heads: int
    width: int
    n_vocabulary: int

    @property
    def head_width(self) -> int:
        return self.width // self.n_heads

    @classmethod
    def from_arrays(cls, arrays: FloatArrays) -> DecoderDimensions:
        """Read the sizes of the model in ``arrays``, without reading its weights.

        Raises:
            KeyError: it is no Whisper model.
        """
        n_vocabulary, width = arrays.shape(EMBEDDINGS)
        n_heads = int(arrays["decoder/num_heads"])
        return cls(count_layers(arrays, "decoder"), n_heads, width, n_vocabulary)
