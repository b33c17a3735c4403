"""Beam search over decoder steps, for several windows at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from asr_core.text.repetition import is_runaway

if TYPE_CHECKING:
    from asr_core.engines.onnx.decoder import DecoderOutput, OnnxDecoder
    from asr_core.engines.onnx.kv_cache import KVCache

__all__ = ["BeamHypothesis", "BeamRequest", "BeamState", "beam_search"]

_MIN_NORMAL_FP16 = np.finfo(np.float16).smallest_normal.astype(np.float32)

NextTokens = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Candidates for each row's next token and their log-probabilities, each (n_rows, n_best)."""


@dataclass(frozen=True)
class BeamHypothesis:
    """Token sequence on the beam, or a finished one.

    Attributes:
        tokens: those of the prefix first; without the end token.
        logprobs: of each token after the prefix, and of the end token once it came.
        total_logprob: their sum.
        attention: of each decoded token after the prefix, (n_heads, 1, n_frames), in float16:
            for a long window it is tens of megabytes.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    total_logprob: float
    attention: tuple[NDArray[np.float16], ...] = ()

    @property
    def score(self) -> float:
        """Mean log-probability of the tokens after the prefix."""
        return self.total_logprob / max(1, len(self.logprobs))

    def extend(self, token: int, total_logprob: float) -> BeamHypothesis:
        """Return the hypothesis with one more token."""
        logprobs = (*self.logprobs, total_logprob - self.total_logprob)
        return BeamHypothesis((*self.tokens, token), logprobs, total_logprob, self.attention)

    def finish(self, total_logprob: float) -> BeamHypothesis:
        """Return the hypothesis after its end token."""
        logprobs = (*self.logprobs, total_logprob - self.total_logprob)
        return replace(self, logprobs=logprobs, total_logprob=total_logprob)

    def with_attention(self, attention: NDArray[np.float32]) -> BeamHypothesis:
        """Return the hypothesis with the attention (n_heads, 1, n_frames) of its last token."""
        # Smaller values are subnormal in float16, which take a CPU fifteen times as long.
        halves = np.maximum(attention, _MIN_NORMAL_FP16).astype(np.float16)
        return replace(self, attention=(*self.attention, halves))


@dataclass(frozen=True)
class BeamRequest:
    """Request to decode one window.

    Attributes:
        previous: tokens of the text before the window.
        start: the start sequence.
        prefix: tokens of the text that every hypothesis begins with.
        beam_size: hypotheses to follow.
        end: the end token.
        max_tokens: of a hypothesis, prefix included.
        margin: log-probability by which a hypothesis may fall behind the best on the beam.
        repetition_penalty: above 1, tokens of the hypothesis become less likely.
    """

    previous: Sequence[int]
    start: Sequence[int]
    prefix: Sequence[int]
    beam_size: int
    end: int
    max_tokens: int
    margin: float = math.inf
    repetition_penalty: float = 1.0


@dataclass
class BeamState:
    """Beam of one window.

    Attributes:
        request: what to decode.
        prefill: the step over prompt and prefix.
        row: this window's row in ``prefill``.
        active: hypotheses that go on, likeliest first.
        finished: hypotheses that ended.
    """

    request: BeamRequest
    prefill: DecoderOutput
    row: int
    active: list[BeamHypothesis]
    finished: list[BeamHypothesis] = field(default_factory=list)

    def advance(self, tokens: NDArray[np.int64], logprobs: NDArray[np.float32]) -> list[int]:
        """Extend the active hypotheses by the likeliest of their next tokens.

        Args:
            tokens: (n_active, n_best) candidates.
            logprobs: theirs.

        Returns:
            For each hypothesis that is active now, the index of the one it extends; empty
            once the search is over.
        """
        beam_size = self.request.beam_size
        totals = np.array([h.total_logprob for h in self.active])[:, None] + logprobs
        ranking = np.argsort(-totals, axis=None, kind="stable")[: 2 * beam_size]
        active: list[BeamHypothesis] = []
        parents: list[int] = []
        for rank, index in enumerate(ranking.tolist()):
            parent, column = divmod(index, tokens.shape[1])
            token, total = int(tokens[parent, column]), float(totals[parent, column])
            hypothesis = self.active[parent]
            if token == self.request.end:
                if rank < beam_size:
                    self.finished.append(hypothesis.finish(total))
            elif len(active) < beam_size and self._is_within_margin(total, active):
                active.append(hypothesis.extend(token, total))
                parents.append(parent)
        self.active = active
        return [] if self._is_over() else parents

    def _is_within_margin(self, total: float, likelier: Sequence[BeamHypothesis]) -> bool:
        return not likelier or total >= likelier[0].total_logprob - self.request.margin

    def _is_over(self) -> bool:
        """Return whether the best text is full or in a loop, or a finished one scores above it."""
        tokens = self.active[0].tokens
        if len(tokens) >= self.request.max_tokens or is_runaway(tokens[len(self.request.prefix) :]):
            return True
        return any(hypothesis.score >= self.active[0].score for hypothesis in self.finished)

    def ranked(self) -> list[BeamHypothesis]:
        """Return the best hypotheses: finished ones by score, then, if few, active ones."""
        finished = sorted(self.finished, key=lambda hypothesis: -hypothesis.score)
        return [*finished, *self.active][: self.request.beam_size]

    def attention_of(self, hypothesis: BeamHypothesis) -> NDArray[np.float32]:
        """Return the attention (n_heads, n_tokens, n_frames) of a hypothesis.

        Its tokens are the start sequence and the hypothesis' own, but for a last one that
        was never fed to the decoder.
        """
        request = self.request
        prefilled = self.prefill.attention[self.row][:, len(request.previous) :]
        parts: list[NDArray[np.floating]] = [prefilled]
        parts += hypothesis.attention
        return np.concatenate(parts, axis=1, dtype=np.float32)


def beam_search(
    decoder: OnnxDecoder, cache: KVCache, requests: Sequence[BeamRequest]
) -> list[BeamState]:
    """Find the likeliest texts of each window.

    Args:
        decoder: runs the steps.
        cache: holds the windows' audio; it is used up.
        requests: one for each window; prompts of one length, prefixes of one length, and one
            repetition penalty.

    Returns:
        The final beam of each window, in their order.
    """
    beams, output = _prefill(decoder, cache, requests)
    cache, penalty = output.cache, requests[0].repetition_penalty
    tokens, logprobs = _next_tokens(decoder, output, 1, beams, penalty)
    if not requests[0].prefix:
        logprobs = np.where(np.isin(tokens, decoder.suppressed_at_first), -np.inf, logprobs)
    searching = list(beams)
    while True:
        searching, parent_rows, cache = _advance(searching, (tokens, logprobs), cache)
        if not searching:
            return beams
        newest = [[hypothesis.tokens[-1]] for beam in searching for hypothesis in beam.active]
        output = decoder.step(
            np.array(newest),
            cache,
            parent_rows=parent_rows,
            rows_per_window=[len(beam.active) for beam in searching],
            positions=[0],
        )
        attention = iter(output.attention)
        for beam in searching:
            rows = itertools.islice(attention, len(beam.active))
            beam.active = [
                hypothesis.with_attention(row)
                for hypothesis, row in zip(beam.active, rows, strict=True)
            ]
        cache = output.cache
        tokens, logprobs = _next_tokens(decoder, output, 0, searching, penalty)


def _prefill(
    decoder: OnnxDecoder, cache: KVCache, requests: Sequence[BeamRequest]
) -> tuple[list[BeamState], DecoderOutput]:
    """Run the decoder over prompts and prefixes; return beams of one hypothesis each."""
    tokens = np.array([[*r.previous, *r.start, *r.prefix] for r in requests])
    n = len(requests)
    # The first selected position predicts whether there is speech, the last the next token.
    positions = [len(requests[0].previous), tokens.shape[1] - 1]
    output = decoder.step(
        tokens, cache, parent_rows=[0] * n, rows_per_window=[1] * n, positions=positions
    )
    beams = [
        BeamState(request, output, row, [BeamHypothesis(tuple(request.prefix), (), 0.0)])
        for row, request in enumerate(requests)
    ]
    return beams, output


def _next_tokens(
    decoder: OnnxDecoder,
    output: DecoderOutput,
    position: int,
    beams: Sequence[BeamState],
    penalty: float,
) -> NextTokens:
    """Return the candidates after each active hypothesis."""
    if penalty != 1:
        texts = [hypothesis.tokens for beam in beams for hypothesis in beam.active]
        return decoder.penalize_repetition(output, position, texts, penalty)
    return output.top_tokens[:, position], output.top_logprobs[:, position]


def _advance(
    beams: Sequence[BeamState], candidates: NextTokens, cache: KVCache
) -> tuple[list[BeamState], list[int], KVCache]:
    """Advance every beam by its rows' candidates.

    Returns:
        The beams that are not over, for each of their hypotheses the row it continues, and
        the cache with their windows alone.
    """
    tokens, logprobs = candidates
    advanced: list[tuple[BeamState, list[int]]] = []
    start = 0
    for beam in beams:
        rows = slice(start, start + len(beam.active))
        parents = beam.advance(tokens[rows], logprobs[rows])
        advanced.append((beam, [start + parent for parent in parents]))
        start = rows.stop
    for window in reversed(range(len(advanced))):
        if not advanced[window][1]:
            cache = cache.without_window(window)
            advanced[window] = advanced[-1]
            advanced.pop()
    beams_left = [beam for beam, _ in advanced]
    return beams_left, [row for _, rows in advanced for row in rows], cache
