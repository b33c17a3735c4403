"""Whisper's decoder on ONNX Runtime: several tokens, hypotheses and windows in one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from asr_core.engines.onnx.dimensions import EMBEDDINGS, DecoderDimensions
from asr_core.engines.onnx.graph_cache import GraphCache
from asr_core.engines.onnx.kv_cache import CrossAttentionCache, KVCache, SelfAttentionCache
from asr_core.models.ctranslate2_format import FloatArrays, read_config

__all__ = ["N_BEST", "DecoderOutput", "OnnxDecoder"]

N_BEST = 12
"""Likeliest tokens returned for each position."""

_MASKED_SCORE = -1e9


@dataclass(frozen=True)
class DecoderOutput:
    """Predictions of one step after the selected positions.

    Attributes:
        top_tokens: (n_rows, n_selected, N_BEST), likeliest first.
        top_logprobs: (n_rows, n_selected, N_BEST).
        logprobs: (n_rows, n_selected, n_vocabulary).
        hidden: (n_rows, n_selected, width), the input of the output projection.
        attention: by row, (n_heads, n_new, n_frames) of the alignment heads, relative to
            each position's maximum.
        cache: for the next step.
    """

    top_tokens: NDArray[np.int64]
    top_logprobs: NDArray[np.float32]
    logprobs: onnxruntime.OrtValue
    hidden: onnxruntime.OrtValue
    attention: Sequence[NDArray[np.float32]]
    cache: KVCache

    def token_logprobs(self, tokens: Sequence[int], row: int) -> NDArray[np.float32]:
        """Return the (n_tokens,) log-probabilities of ``tokens`` in a row.

        The second selected position must be the one that predicts the first token.
        """
        if not tokens:
            return np.zeros(0, np.float32)
        logprobs: NDArray[np.float32] = self.logprobs.numpy()[row]
        return logprobs[np.arange(1, len(tokens) + 1), list(tokens)]


class OnnxDecoder:
    """Whisper decoder. Any thread may call; calls run side by side.

    Args:
        directory: a model in CTranslate2 format.
        graphs: keeps the model's graphs.
        n_threads: of one call.

    Raises:
        KeyError: the model in ``directory`` is no Whisper model.
        ModelError: it cannot be read.
    """

    def __init__(self, directory: Path, graphs: GraphCache, *, n_threads: int) -> None:
        config = read_config(directory)
        self.suppressed_at_first = tuple(config.get("suppress_ids_begin") or [])
        self._arrays = arrays = FloatArrays(directory / "model.bin")
        self._dimensions = dimensions = DecoderDimensions.from_arrays(arrays)
        self._positions = arrays["decoder/position_encodings/encodings"]

        def build_cross_attention() -> bytes:
            from asr_core.engines.onnx.decoder_graph import cross_attention_graph  # imports onnx

            return cross_attention_graph(arrays, dimensions)

        def build_decoder() -> bytes:
            from asr_core.engines.onnx.decoder_graph import decoder_graph

            return decoder_graph(
                arrays,
                dimensions,
                suppressed=config.get("suppress_ids") or [],
                n_best=N_BEST,
                alignment_heads=config.get("alignment_heads") or _upper_half(dimensions),
            )

        self._cross_attention = graphs.session(
            "cross_attention", build_cross_attention, n_threads=n_threads
        )
        self._decoder = graphs.session("decoder", build_decoder, n_threads=n_threads)

    @property
    def n_vocabulary(self) -> int:
        return self._dimensions.n_vocabulary

    def suppressed_probability(self, token: int, output: DecoderOutput, row: int) -> float:
        """Return the probability of a suppressed token at a row's first selected position."""
        tokens = np.array([token, output.top_tokens[row, 0, 0]])
        hidden = output.hidden.numpy()[row, 0]
        logit, top_logit = self._arrays.rows(EMBEDDINGS, tokens) @ hidden
        log_normalizer = top_logit - output.top_logprobs[row, 0, 0]
        return float(1 / (1 + np.exp(log_normalizer - logit)))

    def penalize_repetition(
        self,
        output: DecoderOutput,
        position: int,
        texts: Sequence[Sequence[int]],
        penalty: float,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rank next tokens anew, those that a row's text has already made less likely.

        The penalty divides positive logits and multiplies negative ones (Keskar et al. 2019,
        "CTRL").

        Args:
            output: of the step before.
            position: index among the selected positions.
            texts: the tokens of each row.
            penalty: above 1.

        Returns:
            Tokens and log-probabilities, each (n_rows, N_BEST), likeliest first.
        """
        hidden = output.hidden.numpy()[:, position]
        top_embeddings = self._arrays.rows(EMBEDDINGS, output.top_tokens[:, position, 0])
        top_logits = np.vecdot(top_embeddings, hidden)
        log_normalizers = top_logits - output.top_logprobs[:, position, 0]
        logits = output.logprobs.numpy()[:, position] + log_normalizers[:, None]
        for row, text in zip(logits, texts, strict=True):
            repeated = list(set(text))
            row[repeated] = np.where(
                row[repeated] > 0, row[repeated] / penalty, row[repeated] * penalty
            )
        logits -= np.logaddexp.reduce(logits, axis=1, keepdims=True)
        tokens = np.argsort(-logits, axis=1, kind="stable")[:, :N_BEST]
        return tokens, np.take_along_axis(logits, tokens, axis=1)

    def new_cache(self, encoded: NDArray[np.float32]) -> KVCache:
        """Return the cache before the first token.

        Args:
            encoded: (n_windows, n_frames, width) of the encoder.
        """
        # One by one: together they take four times the memory meanwhile, and no less time.
        windows = [self._cross_attention.run(None, {"encoded": w[None]}) for w in encoded]
        parts = [np.concatenate(part) for part in zip(*windows, strict=True)]
        layers = range(self._dimensions.n_layers)
        cross_attention = [CrossAttentionCache(*parts[4 * i : 4 * i + 4]) for i in layers]
        empty = SelfAttentionCache.empty(self._dimensions)
        return KVCache(0, [empty for _ in layers], cross_attention)

    def prefill(
        self, tokens: NDArray[np.int64], encoded: NDArray[np.float32], *, positions: Sequence[int]
    ) -> DecoderOutput:
        """Run the first step over whole texts, one row for each window.

        Args:
            tokens: (n_windows, n_new).
            encoded: (n_windows, n_frames, width) of the encoder.
            positions: those in ``tokens`` whose next tokens are wanted.
        """
        n = len(tokens)
        cache = self.new_cache(encoded)
        return self.step(
            tokens, cache, parent_rows=[0] * n, rows_per_window=[1] * n, positions=positions
        )

    def step(
        self,
        tokens: NDArray[np.int64],
        cache: KVCache,
        *,
        parent_rows: Sequence[int],
        rows_per_window: Sequence[int],
        positions: Sequence[int],
    ) -> DecoderOutput:
        """Run the decoder over new tokens of every row.

        Args:
            tokens: (n_rows, n_new), rows ordered by window.
            cache: of the step before.
            parent_rows: (n_rows,) the row of ``cache`` that each row continues.
            rows_per_window: (n_windows,) how many rows each window has.
            positions: those in ``tokens`` whose next tokens are wanted.
        """
        n_new = tokens.shape[1]
        n_tokens = cache.n_tokens + n_new
        window_rows, row_slots = _assign_slots(rows_per_window)
        embeddings = self._arrays.rows(EMBEDDINGS, tokens)
        mask = np.full((n_new, n_tokens), _MASKED_SCORE, np.float32)
        inputs: dict[str, NDArray[Any]] = {
            "hidden": embeddings + self._positions[cache.n_tokens : n_tokens],
            "mask": np.triu(mask, cache.n_tokens + 1),
            "parent_rows": np.asarray(parent_rows, np.int64),
            "positions": np.asarray(positions, np.int64),
            "window_rows": window_rows,
            "row_slots": row_slots,
        }
        logprobs, top_logprobs, top_tokens, hidden, attention, *grown = self._run(inputs, cache)
        by_window = attention.numpy()
        slots = [divmod(slot, window_rows.shape[1]) for slot in row_slots.tolist()]
        layers = [SelfAttentionCache(*grown[i : i + 2]) for i in range(0, len(grown), 2)]
        return DecoderOutput(
            top_tokens=top_tokens.numpy(),
            top_logprobs=top_logprobs.numpy(),
            logprobs=logprobs,
            hidden=hidden,
            attention=[by_window[w, :, n_new * slot : n_new * (slot + 1)] for w, slot in slots],
            cache=KVCache(n_tokens, layers, cache.cross_attention),
        )

    def _run(
        self, inputs: dict[str, NDArray[Any]], cache: KVCache
    ) -> Sequence[onnxruntime.OrtValue]:
        """Run the graph; large outputs stay ONNX Runtime's, uncopied."""
        binding = self._decoder.io_binding()
        for i, own in enumerate(cache.self_attention):
            for name, value in zip(own.tensor_names(i), (own.keys, own.values), strict=True):
                binding.bind_ortvalue_input(name, value)
        for i, audio in enumerate(cache.cross_attention):
            arrays = (audio.keys, audio.key_scales, audio.values, audio.value_scales)
            inputs |= zip(audio.tensor_names(i), arrays, strict=True)
        for name, array in inputs.items():
            binding.bind_cpu_input(name, array)
        for output in self._decoder.get_outputs():
            binding.bind_output(output.name)
        self._decoder.run_with_iobinding(binding)
        outputs: Sequence[onnxruntime.OrtValue] = binding.get_outputs()
        return outputs


def _assign_slots(
    rows_per_window: Sequence[int],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Arrange the rows by window, every window with as many slots as the fullest one.

    Returns:
        The row of each slot (n_windows, n_slots), 0 where there is none, and the slot of each
        row (n_rows,), counted over all windows.
    """
    counts = np.asarray(rows_per_window)
    is_used = np.arange(counts.max()) < counts[:, None]
    window_rows = np.zeros(is_used.shape, np.int64)
    window_rows[is_used] = np.arange(counts.sum())
    return window_rows, np.flatnonzero(is_used)


def _upper_half(d: DecoderDimensions) -> list[tuple[int, int]]:
    """Return the heads of the upper half of the layers, where a model names none to align by."""
    layers = range(d.n_layers // 2, d.n_layers)
    return [(layer, head) for layer in layers for head in range(d.n_heads)]
