"""Beam search over decoder steps, for several windows at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from asr_core.engines.whisper.terms import NO_TERM, TermState, TermTrie
from asr_core.text.repetition import is_runaway

if TYPE_CHECKING:
    from asr_core.engines.onnx.decoder import DecoderOutput, OnnxDecoder
    from asr_core.engines.onnx.kv_cache import KVCache

__all__ = ["BeamHypothesis", "BeamRequest", "BeamState", "beam_search"]

_MIN_NORMAL_FP16 = np.finfo(np.float16).smallest_normal.astype(np.float32)

_N_TERM_TOKENS = 8
"""Tokens of terms considered after each hypothesis, besides the likeliest of all."""

_N_FAVOURED, _TERM_MARGIN = 3, 2.0
"""Hypotheses followed beside the beam for their terms, and the log-probability by which these,
terms favoured, may fall behind the best on the beam."""

_Place = tuple[int, int]
"""Row of an active hypothesis and column of a candidate for its next token."""

NextTokens = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32] | None]
"""Candidates for each row's next token and their log-probabilities, each (n_rows, n_best); and, if
there are terms, the log-probabilities of all tokens, (n_rows, n_vocabulary)."""


@dataclass(frozen=True)
class BeamHypothesis:
    """Token sequence on the beam, or a finished one.

    Attributes:
        tokens: those of the prefix first; without the end token.
        logprobs: of each token after the prefix, and of the end token once it came.
        total_logprob: their sum.
        bias: what was added for names and terms.
        term: where it is in the trie of these.
        attention: of each decoded token after the prefix, (n_heads, 1, n_frames), in float16:
            for a long window it is tens of megabytes.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    total_logprob: float
    bias: float = 0.0
    term: TermState = NO_TERM
    attention: tuple[NDArray[np.float16], ...] = ()

    @property
    def score(self) -> float:
        """Mean log-probability of the tokens after the prefix, whole terms favoured."""
        return self.biased_logprob / max(1, len(self.logprobs))

    @property
    def biased_logprob(self) -> float:
        """Total log-probability, whole terms favoured."""
        return self.total_logprob + self.bias - self.term.earned

    def extend(self, token: int, logprob: float, term: TermState, bias: float) -> BeamHypothesis:
        """Return the hypothesis with one more token; ``bias`` is its own."""
        return BeamHypothesis(
            (*self.tokens, token),
            (*self.logprobs, logprob),
            self.total_logprob + logprob,
            self.bias + bias,
            term,
            self.attention,
        )

    def finish(self, logprob: float, bias: float) -> BeamHypothesis:
        """Return the hypothesis after its end token."""
        return replace(
            self,
            logprobs=(*self.logprobs, logprob),
            total_logprob=self.total_logprob + logprob,
            bias=self.bias + bias,
        )

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
        terms: that become likelier; None without any.
    """

    previous: Sequence[int]
    start: Sequence[int]
    prefix: Sequence[int]
    beam_size: int
    end: int
    max_tokens: int
    margin: float = math.inf
    repetition_penalty: float = 1.0
    terms: TermTrie | None = None


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

    def advance(
        self,
        tokens: NDArray[np.int64],
        logprobs: NDArray[np.float32],
        all_logprobs: NDArray[np.float32] | None,
    ) -> list[int]:
        """Extend the active hypotheses by the likeliest of their next tokens.

        Args:
            tokens: (n_active, n_best) candidates.
            logprobs: theirs.
            all_logprobs: (n_active, n_vocabulary); only needed for terms.

        Returns:
            For each hypothesis that is active now, the index of the one it extends; empty
            once the search is over.
        """
        terms, beam_size = self.request.terms, self.request.beam_size
        if terms is not None and all_logprobs is not None:
            tokens, logprobs = self._with_terms(terms, tokens, logprobs, all_logprobs)
        totals = np.array([h.total_logprob for h in self.active])[:, None] + logprobs
        chosen: list[_Place] = []
        for rank, place in enumerate(_ranked(totals, 2 * beam_size)):
            if tokens[place] == self.request.end:
                if rank < beam_size:
                    self._finish(place, logprobs)
            elif len(chosen) < beam_size and (
                not chosen or totals[place] >= totals[chosen[0]] - self.request.margin
            ):
                chosen.append(place)
        if terms is not None:
            chosen += self._favoured(terms, tokens, logprobs, totals, chosen)
        self.active = [self._extended(place, tokens, logprobs) for place in chosen]
        return [] if self._is_over() else [parent for parent, _ in chosen]

    def _extended(
        self, place: _Place, tokens: NDArray[np.int64], logprobs: NDArray[np.float32]
    ) -> BeamHypothesis:
        hypothesis, token = self.active[place[0]], int(tokens[place])
        return hypothesis.extend(
            token, float(logprobs[place]), *self._advance_term(hypothesis, token)
        )

    def _finish(self, place: _Place, logprobs: NDArray[np.float32]) -> None:
        hypothesis = self.active[place[0]]
        _, bias = self._advance_term(hypothesis, self.request.end)
        self.finished.append(hypothesis.finish(float(logprobs[place]), bias))

    def _favoured(
        self,
        terms: TermTrie,
        tokens: NDArray[np.int64],
        logprobs: NDArray[np.float32],
        totals: NDArray[np.floating],
        chosen: Sequence[_Place],
    ) -> list[_Place]:
        """Return the candidates that are followed beside the beam for their terms.

        The beam itself is chosen without regard to terms: texts of one length have come to
        different places, and whoever comes to a term first must not drive out the others.
        """
        biases = np.array(
            [
                [hypothesis.bias + terms.advance(hypothesis.term, token)[1] for token in row]
                for hypothesis, row in zip(self.active, tokens.tolist(), strict=True)
            ]
        )
        least = totals[chosen[0]] - _TERM_MARGIN
        favoured = np.where(biases > 0, totals + biases, -np.inf)
        places: list[_Place] = []
        for place in _ranked(favoured, 2 * self.request.beam_size):
            if favoured[place] < least or len(places) == _N_FAVOURED:
                break
            if tokens[place] == self.request.end:
                self._finish(place, logprobs)
            elif place not in chosen:
                places.append(place)
        return places

    def _with_terms(
        self,
        terms: TermTrie,
        tokens: NDArray[np.int64],
        logprobs: NDArray[np.float32],
        all_logprobs: NDArray[np.float32],
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the candidates, and for each hypothesis the likeliest tokens of terms besides."""
        more_tokens = np.zeros((len(tokens), _N_TERM_TOKENS), np.int64)
        more_logprobs = np.full(more_tokens.shape, -np.inf, np.float32)
        for row, hypothesis in enumerate(self.active):
            others = np.setdiff1d(terms.candidates(hypothesis.term), tokens[row])
            best = others[np.argsort(-all_logprobs[row, others], kind="stable")[:_N_TERM_TOKENS]]
            more_tokens[row, : len(best)] = best
            more_logprobs[row, : len(best)] = all_logprobs[row, best]
        return np.hstack([tokens, more_tokens]), np.hstack([logprobs, more_logprobs])

    def _advance_term(self, hypothesis: BeamHypothesis, token: int) -> tuple[TermState, float]:
        if self.request.terms is None:
            return NO_TERM, 0.0
        return self.request.terms.advance(hypothesis.term, token)

    def _is_over(self) -> bool:
        """Return whether the best text is full or in a loop, or a finished one scores above it."""
        tokens = self.active[0].tokens
        if len(tokens) >= self.request.max_tokens or is_runaway(tokens[len(self.request.prefix) :]):
            return True
        best = max(hypothesis.score for hypothesis in self.active)
        return any(hypothesis.score >= best for hypothesis in self.finished)

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


def _ranked(scores: NDArray[np.floating], n: int) -> Iterator[_Place]:
    """Yield the places of the ``n`` highest scores, highest first."""
    for index in np.argsort(-scores, axis=None, kind="stable")[:n].tolist():
        yield divmod(index, scores.shape[1])


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
    tokens, logprobs, all_logprobs = _next_tokens(decoder, output, 1, beams, penalty)
    if not requests[0].prefix:
        logprobs = np.where(np.isin(tokens, decoder.suppressed_at_first), -np.inf, logprobs)
    searching = list(beams)
    while True:
        searching, parent_rows, cache = _advance(searching, (tokens, logprobs, all_logprobs), cache)
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
        tokens, logprobs, all_logprobs = _next_tokens(decoder, output, 0, searching, penalty)


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
        BeamState(request, output, row, [_first_hypothesis(request)])
        for row, request in enumerate(requests)
    ]
    return beams, output


def _first_hypothesis(request: BeamRequest) -> BeamHypothesis:
    prefix = tuple(request.prefix)
    term = request.terms.state_after(prefix) if request.terms is not None else NO_TERM
    return BeamHypothesis(prefix, (), 0.0, term=term)


def _next_tokens(
    decoder: OnnxDecoder,
    output: DecoderOutput,
    position: int,
    beams: Sequence[BeamState],
    penalty: float,
) -> NextTokens:
    """Return the candidates after each active hypothesis."""
    has_terms = any(beam.request.terms is not None for beam in beams)
    all_logprobs = output.logprobs.numpy()[:, position] if has_terms else None
    if penalty != 1:
        texts = [hypothesis.tokens for beam in beams for hypothesis in beam.active]
        return *decoder.penalize_repetition(output, position, texts, penalty), all_logprobs
    return output.top_tokens[:, position], output.top_logprobs[:, position], all_logprobs


def _advance(
    beams: Sequence[BeamState], candidates: NextTokens, cache: KVCache
) -> tuple[list[BeamState], list[int], KVCache]:
    """Advance every beam by its rows' candidates.

    Returns:
        The beams that are not over, for each of their hypotheses the row it continues, and
        the cache with their windows alone.
    """
    tokens, logprobs, all_logprobs = candidates
    advanced: list[tuple[BeamState, list[int]]] = []
    start = 0
    for beam in beams:
        rows = slice(start, start + len(beam.active))
        parents = beam.advance(
            tokens[rows], logprobs[rows], None if all_logprobs is None else all_logprobs[rows]
        )
        advanced.append((beam, [start + parent for parent in parents]))
        start = rows.stop
    for window in reversed(range(len(advanced))):
        if not advanced[window][1]:
            cache = cache.without_window(window)
            advanced[window] = advanced[-1]
            advanced.pop()
    beams_left = [beam for beam, _ in advanced]
    return beams_left, [row for _, rows in advanced for row in rows], cache
