"""Whisper's decoder on ONNX Runtime, for CPUs: several tokens, texts and windows in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from asr_core.engines.onnx_decoder_graph import (
    EMBEDDINGS,
    Dimensions,
    LastLayer,
    cross_graph,
    step_graph,
)
from asr_core.engines.onnx_parts import session
from asr_core.models.convert import FloatArrays, read_config

__all__ = ["N_BEST", "OnnxDecoder", "Past", "Step"]

N_BEST = 12
"""Tokens told of each position."""


@dataclass(frozen=True)
class Past:
    """What the decoder has seen.

    Attributes:
        n_tokens: of each row so far.
        own: keys and values of these, layer by layer, each (n_rows, n_heads, n_tokens,
            head_width).
        cross: keys, values and their scales of the sound, as
            :func:`~asr_core.engines.onnx_decoder_graph.cross_graph` gives them.
    """

    n_tokens: int
    own: Sequence[onnxruntime.OrtValue]
    cross: Sequence[NDArray[Any]]

    def until(self, n_tokens: int) -> Past:
        """The same without what came after ``n_tokens``."""
        if n_tokens == self.n_tokens:
            return self
        own = [np.ascontiguousarray(part.numpy()[:, :, :n_tokens]) for part in self.own]
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(part) for part in own]
        return Past(n_tokens, values, self.cross)

    def without(self, window: int) -> Past:
        """The same without the sound of one window, whose place the last one takes. The arrays
        are changed, since a copy would double them."""
        for part in self.cross:
            part[window] = part[-1]
        return Past(self.n_tokens, self.own, [part[:-1] for part in self.cross])


@dataclass(frozen=True)
class Step:
    """What a pass says of the positions that were asked for.

    Attributes:
        tokens: (n_rows, n_wanted, N_BEST) the likeliest, best first.
        logprobs: theirs.
        all_logprobs: (n_rows, n_wanted, n_vocabulary).
        hidden: (n_rows, n_wanted, width) behind them.
        attention: of each row (n_heads, n_new, n_frames) of the heads that follow the sound, in
            proportion to the largest value of each token.
        past: for the next pass.
    """

    tokens: NDArray[np.int64]
    logprobs: NDArray[np.float32]
    all_logprobs: onnxruntime.OrtValue
    hidden: onnxruntime.OrtValue
    attention: Sequence[NDArray[np.float32]]
    past: Past

    def logprobs_of(self, tokens: Sequence[int], row: int) -> NDArray[np.float32]:
        """(n_tokens,) of a row, at the positions from the second wanted one on."""
        if not tokens:
            return np.zeros(0, np.float32)
        each: NDArray[np.float32] = self.all_logprobs.numpy()[row]
        return each[np.arange(1, len(tokens) + 1), list(tokens)]


class OnnxDecoder:
    """Any thread may call; calls run side by side.

    Args:
        directory: a model in CTranslate2 format.
        n_threads: of one call.

    Raises:
        KeyError: the model in ``directory`` is no Whisper model.
        ModelError: there is none that can be read.
    """

    def __init__(self, directory: Path, *, n_threads: int) -> None:
        config = read_config(directory)
        arrays = FloatArrays(directory / "model.bin")
        last = LastLayer.of(arrays)
        self._dimensions = Dimensions.of(arrays, last)
        cross = cross_graph(arrays, self._dimensions)
        step = step_graph(
            arrays,
            self._dimensions,
            last,
            suppressed=config.get("suppress_ids") or [],
            n_best=N_BEST,
            alignment_heads=config.get("alignment_heads") or _upper_half(self._dimensions),
        )
        self._positions = arrays["decoder/position_encodings/encodings"]
        # Mapped anew, for a few rows now and then: all that was read stays with the first.
        self._file = FloatArrays(directory / "model.bin")
        self.suppressed_at_first = tuple(config.get("suppress_ids_begin") or [])
        self._cross = session(cross, n_threads=n_threads)
        self._step = session(step, n_threads=n_threads)

    @property
    def n_tokens(self) -> int:
        """That it knows."""
        return self._dimensions.n_tokens

    def probability(self, token: int, step: Step, row: int) -> float:
        """Of a token that is else suppressed, at a row's first position asked for."""
        both = np.array([token, step.tokens[row, 0, 0]])
        logit, other = self._file.rows(EMBEDDINGS, both) @ step.hidden.numpy()[row, 0]
        total = other - step.logprobs[row, 0, 0]
        return float(1 / (1 + np.exp(total - logit)))

    def penalised(
        self, step: Step, position: int, texts: Sequence[Sequence[int]], penalty: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The likeliest (n_rows, N_BEST) tokens and their log-probabilities at a position asked
        for, where those that a row's text has already are less likely (Keskar et al. 2019)."""
        hidden = step.hidden.numpy()[:, position]
        best = np.vecdot(self._file.rows(EMBEDDINGS, step.tokens[:, position, 0]), hidden)
        total = best - step.logprobs[:, position, 0]  # what made probabilities of the logits
        logits = step.all_logprobs.numpy()[:, position] + total[:, None]
        for row, text in zip(logits, texts, strict=True):
            said = list(set(text))
            row[said] = np.where(row[said] > 0, row[said] / penalty, row[said] * penalty)
        logits -= np.logaddexp.reduce(logits, axis=1, keepdims=True)
        tokens = np.argsort(-logits, axis=1, kind="stable")[:, :N_BEST]
        return tokens, np.take_along_axis(logits, tokens, axis=1)

    def begin(self, encoded: NDArray[np.float32]) -> Past:
        """Before the first token, from (n_windows, n_frames, width) of the encoder."""
        d = self._dimensions
        # One by one: together they take four times the memory meanwhile, and no less time.
        each = [self._cross.run(None, {"encoded": window[None]}) for window in encoded]
        cross = [np.concatenate(parts) for parts in zip(*each, strict=True)]
        nothing = np.zeros((1, d.n_heads, 0, d.head_width), np.float32)
        own = [onnxruntime.OrtValue.ortvalue_from_numpy(nothing)] * (2 * d.n_layers)
        return Past(0, own, cross)

    def first_pass(
        self, tokens: NDArray[np.int64], encoded: NDArray[np.float32], *, wanted: Sequence[int]
    ) -> Step:
        """Over (n_windows, n_new) tokens, a row for each window of the encoder's output."""
        n = len(tokens)
        past = self.begin(encoded)
        return self.step(tokens, past, origins=[0] * n, n_texts=[1] * n, wanted=wanted)

    def step(
        self,
        tokens: NDArray[np.int64],
        past: Past,
        *,
        origins: Sequence[int],
        n_texts: Sequence[int],
        wanted: Sequence[int],
    ) -> Step:
        """One pass.

        Args:
            tokens: (n_rows, n_new).
            origins: of each row the one of ``past`` that it goes on from.
            n_texts: how many of the rows, window by window, look at each window.
            wanted: positions in ``tokens`` whose next tokens are asked for.
        """
        n_new = tokens.shape[1]
        rows, places = _laid_out(n_texts)
        until = past.n_tokens + n_new
        hidden = self._file.rows(EMBEDDINGS, tokens) + self._positions[past.n_tokens : until]
        binding = self._step.io_binding()
        inputs: dict[str, Any] = {
            "hidden": hidden,
            "mask": np.triu(np.full((n_new, until), -1e9, np.float32), past.n_tokens + 1),
            "origins": np.asarray(origins, np.int64),
            "wanted": np.asarray(wanted, np.int64),
            "rows": rows,
            "places": places,
        }
        for i in range(self._dimensions.n_layers):
            names = (f"ck{i}", f"ks{i}", f"cv{i}", f"vs{i}")
            inputs.update(zip(names, past.cross[4 * i : 4 * i + 4], strict=True))
            binding.bind_ortvalue_input(f"k{i}", past.own[2 * i])
            binding.bind_ortvalue_input(f"v{i}", past.own[2 * i + 1])
        for name, value in inputs.items():
            binding.bind_cpu_input(name, value)
        for output in self._step.get_outputs():
            binding.bind_output(output.name)
        self._step.run_with_iobinding(binding)
        logprobs, best, likeliest, hidden_wanted, attention, *own = binding.get_outputs()
        by_window = attention.numpy()
        spots = [divmod(place, rows.shape[1]) for place in places.tolist()]
        return Step(
            tokens=likeliest.numpy(),
            logprobs=best.numpy(),
            all_logprobs=logprobs,
            hidden=hidden_wanted,
            attention=[by_window[i, :, n_new * j : n_new * (j + 1)] for i, j in spots],
            past=Past(until, own, past.cross),
        )


def _laid_out(n_texts: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows at each window (n_windows, n_places), the first of all where there are fewer, and
    the place of each row there."""
    counts = np.asarray(n_texts)
    is_taken = np.arange(counts.max()) < counts[:, None]
    rows = np.zeros(is_taken.shape, np.int64)
    rows[is_taken] = np.arange(counts.sum())
    return rows, np.flatnonzero(is_taken)


def _upper_half(d: Dimensions) -> list[tuple[int, int]]:
    layers = range(d.n_layers // 2, d.n_layers)
    return [(layer, head) for layer in layers for head in range(d.n_heads)]
