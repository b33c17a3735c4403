"""Beam search over a decoder that is a table: the log-probability of each token after each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr_core.engines.onnx.beam_search import BeamRequest, BeamState, beam_search
from asr_core.engines.onnx.decoder import N_BEST, DecoderOutput
from asr_core.engines.onnx.kv_cache import CrossAttentionCache, KVCache

END, START, N_WORDS = 0, 1, 6  # words are the tokens from 2 on
TABLES = st.lists(
    st.lists(st.floats(-6, 0), min_size=N_WORDS, max_size=N_WORDS),
    min_size=N_WORDS,
    max_size=N_WORDS,
)


class TableDecoder:
    """A fake decoder whose next token depends only on the last one: the search is under test."""

    suppressed_at_first = (END,)

    def __init__(self, *tables: Sequence[Sequence[float]]) -> None:
        """Take one table for each window; a window's "audio" is the index of its table."""
        scores = np.array(tables)
        scores[..., START] = -1e9  # never chosen again
        self.logprobs = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
        self.n_steps = 0

    def new_cache(self) -> KVCache:
        audio = CrossAttentionCache(*(np.arange(len(self.logprobs)) for _ in range(4)))
        return KVCache(0, (), [audio])

    def step(
        self,
        tokens: np.ndarray,
        cache: KVCache,
        *,
        parent_rows: Sequence[int],
        rows_per_window: Sequence[int],
        positions: Sequence[int],
    ) -> DecoderOutput:
        self.n_steps += 1
        assert len(tokens) == len(parent_rows) == sum(rows_per_window)
        [audio] = cache.cross_attention
        windows = np.repeat(audio.keys, rows_per_window).astype(int)
        logprobs = self.logprobs[windows[:, None], tokens[:, list(positions)]]
        order = np.argsort(-logprobs, axis=-1, kind="stable")[..., :N_BEST]
        # Encodes which token was fed for which window.
        attention = [
            np.broadcast_to(row[None, :, None] + 100 * window, (1, len(row), 4))
            for row, window in zip(tokens, windows, strict=True)
        ]
        return DecoderOutput(
            order,
            np.take_along_axis(logprobs, order, -1),
            Values(logprobs),  # type: ignore[arg-type]
            Values(logprobs),  # type: ignore[arg-type]
            attention,
            KVCache(cache.n_tokens + tokens.shape[1], (), cache.cross_attention),
        )


class Values:
    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def numpy(self) -> np.ndarray:
        return self.array


def searched(decoder: TableDecoder, request: BeamRequest, n_windows: int = 1) -> list[BeamState]:
    return beam_search(decoder, decoder.new_cache(), [request] * n_windows)  # type: ignore[arg-type]


def beam_over(
    table: Sequence[Sequence[float]],
    *,
    beam_size: int,
    prefix: Sequence[int] = (),
    max_tokens: int = 4,
) -> tuple[BeamState, TableDecoder]:
    decoder = TableDecoder(table)
    [beam] = searched(decoder, BeamRequest((5,), (START,), prefix, beam_size, END, max_tokens))
    return beam, decoder


def total_of(decoder: TableDecoder, tokens: Sequence[int]) -> float:
    path = (START, *tokens)
    return float(sum(decoder.logprobs[0, a, b] for a, b in itertools.pairwise(path)))


@given(TABLES, st.integers(1, 5))
def test_hypotheses_carry_their_own_probability(table: list[list[float]], beam_size: int) -> None:
    beam, decoder = beam_over(table, beam_size=beam_size)
    hypotheses = beam.ranked()
    assert 0 < len(hypotheses) <= beam_size
    assert len({(h.tokens, len(h.logprobs)) for h in hypotheses}) == len(hypotheses)
    for hypothesis in hypotheses:
        has_ended = len(hypothesis.logprobs) > len(hypothesis.tokens)
        tokens = (*hypothesis.tokens, END) if has_ended else hypothesis.tokens
        total = hypothesis.total_logprob
        assert math.isclose(total, total_of(decoder, tokens), abs_tol=1e-4)
        assert math.isclose(sum(hypothesis.logprobs), total, abs_tol=1e-4)
        assert END not in hypothesis.tokens
        assert 0 < len(hypothesis.tokens) <= 4


@given(TABLES)
def test_a_beam_of_one_is_the_greedy_search(table: list[list[float]]) -> None:
    beam, decoder = beam_over(table, beam_size=1)
    tokens: list[int] = []
    while len(tokens) < 4:
        scores = decoder.logprobs[0, tokens[-1] if tokens else START].copy()
        if not tokens:
            scores[END] = -np.inf
        token = int(np.argmax(scores))
        if token == END:
            break
        tokens.append(token)
    assert beam.ranked()[0].tokens == tuple(tokens)


@given(TABLES, st.integers(1, 4), st.lists(st.integers(2, N_WORDS - 1), max_size=3))
def test_the_attention_is_that_of_the_tokens(
    table: list[list[float]], beam_size: int, prefix: list[int]
) -> None:
    beam, _ = beam_over(table, beam_size=beam_size, prefix=prefix, max_tokens=7)
    for hypothesis in beam.ranked():
        fed = beam.attention_of(hypothesis)[0, :, 0].tolist()
        assert fed in ([START, *hypothesis.tokens], [START, *hypothesis.tokens[:-1]])


@given(TABLES, st.floats(0.1, 3))
def test_hypotheses_far_behind_the_best_are_dropped(
    table: list[list[float]], margin: float
) -> None:
    request = BeamRequest((5,), (START,), (), 4, END, 6, margin)
    [beam] = searched(TableDecoder(table), request)
    best, *rest = beam.active  # in the order at the end of the search
    lowest = best.total_logprob - margin
    assert all(lowest <= h.total_logprob <= best.total_logprob for h in rest)


@given(st.lists(TABLES, min_size=1, max_size=5), st.integers(1, 3))
def test_windows_decode_together_as_each_does_alone(
    tables: list[list[list[float]]], beam_size: int
) -> None:
    request = BeamRequest((5,), (START,), (), beam_size, END, 6)
    together = searched(TableDecoder(*tables), request, len(tables))
    for window, (beam, table) in enumerate(zip(together, tables, strict=True)):
        alone, _ = beam_over(table, beam_size=beam_size, max_tokens=6)
        assert [h.tokens for h in beam.ranked()] == [h.tokens for h in alone.ranked()]
        attention = beam.attention_of(beam.ranked()[0]) - 100 * window
        assert np.array_equal(attention, alone.attention_of(alone.ranked()[0]))


def near_certain(*path: int) -> list[list[float]]:
    """Return a table in which one text is almost certain."""
    table = np.full((N_WORDS, N_WORDS), -5.0)
    for a, b in itertools.pairwise((START, *path, END)):
        table[a, b] = 0
    return table.tolist()


def test_a_text_goes_on_from_its_prefix() -> None:
    """However unlikely it is; its tokens take one step, and its end may come at once."""
    for prefix, text, n_steps in (
        ((), (2, 3, 4), 4),
        ((2, 3), (2, 3, 4), 2),
        ((2, 3, 4), (2, 3, 4), 1),
        ((5, 5, 3), (5, 5, 3, 4), 2),
    ):
        beam, decoder = beam_over(near_certain(2, 3, 4), beam_size=2, prefix=prefix, max_tokens=9)
        best = beam.ranked()[0]
        assert best.tokens == text
        assert len(best.logprobs) == len(text) - len(prefix) + 1
        assert decoder.n_steps == n_steps
