"""The search over a decoder that is a table: what comes after what, how likely."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr_core.engines.beam import Ask, Found, search
from asr_core.engines.onnx_decoder import N_BEST, Past, Step

END, START, N_WORDS = 0, 1, 6  # words are the tokens from 2 on
TABLES = st.lists(
    st.lists(st.floats(-6, 0), min_size=N_WORDS, max_size=N_WORDS),
    min_size=N_WORDS,
    max_size=N_WORDS,
)


class TableDecoder:
    """A fake decoder, whose next token hangs on the last one alone: the search itself is
    what is tried."""

    suppressed_at_first = (END,)

    def __init__(self, table: Sequence[Sequence[float]]) -> None:
        scores = np.array(table)
        scores[:, START] = -1e9  # never comes again
        self.logprobs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        self.n_passes = 0

    def step(
        self, tokens: np.ndarray, past: Past, *, origins: Sequence[int], wanted: Sequence[int]
    ) -> Step:
        self.n_passes += 1
        each = self.logprobs[tokens[:, list(wanted)]]
        order = np.argsort(-each, axis=-1, kind="stable")[..., :N_BEST]
        attention = np.broadcast_to(
            tokens.reshape(1, 1, -1), (1, 4, tokens.size)
        )  # tells which token was taken
        return Step(
            order,
            np.take_along_axis(each, order, -1),
            Values(each),  # type: ignore[arg-type]
            Values(each),  # type: ignore[arg-type]
            attention,
            Past(past.n_tokens + tokens.shape[1], (), ()),
        )


class Values:
    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def numpy(self) -> np.ndarray:
        return self.array


def found_by(
    table: Sequence[Sequence[float]], *, size: int, draft: Sequence[int] = (), n_most: int = 4
) -> tuple[Found, TableDecoder]:
    decoder = TableDecoder(table)
    ask = Ask((5,), (START,), draft, size, END, n_most)
    return search(decoder, Past(0, (), ()), ask), decoder  # type: ignore[arg-type]


def total_of(decoder: TableDecoder, tokens: Sequence[int]) -> float:
    path = (START, *tokens)
    return float(sum(decoder.logprobs[a, b] for a, b in itertools.pairwise(path)))


@given(TABLES, st.integers(1, 5))
def test_texts_carry_their_own_probability(table: list[list[float]], size: int) -> None:
    found, decoder = found_by(table, size=size)
    texts = found.best()
    assert 0 < len(texts) <= size
    assert len({(text.tokens, len(text.logprobs)) for text in texts}) == len(texts)
    for text in texts:
        has_ended = len(text.logprobs) > len(text.tokens)
        tokens = (*text.tokens, END) if has_ended else text.tokens
        assert math.isclose(text.total, total_of(decoder, tokens), abs_tol=1e-4)
        assert math.isclose(sum(text.logprobs), text.total, abs_tol=1e-4)
        assert END not in text.tokens
        assert 0 < len(text.tokens) <= 4


@given(TABLES)
def test_one_text_is_the_greedy_one(table: list[list[float]]) -> None:
    found, decoder = found_by(table, size=1)
    tokens: list[int] = []
    while len(tokens) < 4:
        scores = decoder.logprobs[tokens[-1] if tokens else START].copy()
        if not tokens:
            scores[END] = -np.inf
        token = int(np.argmax(scores))
        if token == END:
            break
        tokens.append(token)
    assert found.best()[0].tokens == tuple(tokens)


@given(TABLES, st.integers(1, 4), st.lists(st.integers(2, N_WORDS - 1), max_size=3))
def test_the_attention_is_that_of_the_tokens(
    table: list[list[float]], size: int, draft: list[int]
) -> None:
    found, _ = found_by(table, size=size, draft=draft)
    for text in found.best():
        taken = found.attention_of(text)[0, :, 0].tolist()
        assert taken in ([START, *text.tokens], [START, *text.tokens[:-1]])


def likely(*path: int) -> list[list[float]]:
    """A table in which one text is nearly sure."""
    table = np.full((N_WORDS, N_WORDS), -5.0)
    for a, b in itertools.pairwise((START, *path, END)):
        table[a, b] = 0
    return table.tolist()


def test_a_draft_stands_up_to_its_first_doubtful_token() -> None:
    for draft, n_passes in (((), 4), ((2, 3), 2), ((2, 3, 4), 1), ((2, 5, 4), 3), ((4,), 4)):
        found, decoder = found_by(likely(2, 3, 4), size=2, draft=draft, n_most=9)
        assert found.best()[0].tokens == (2, 3, 4)
        assert decoder.n_passes == n_passes
