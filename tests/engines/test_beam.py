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

    def __init__(self, *tables: Sequence[Sequence[float]]) -> None:
        """A table for each window, which its sound gives the number of."""
        scores = np.array(tables)
        scores[..., START] = -1e9  # never comes again
        self.logprobs = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
        self.n_passes = 0

    def step(
        self,
        tokens: np.ndarray,
        past: Past,
        *,
        origins: Sequence[int],
        n_texts: Sequence[int],
        wanted: Sequence[int],
    ) -> Step:
        self.n_passes += 1
        assert len(tokens) == len(origins) == sum(n_texts)
        [sound] = past.cross
        windows = np.repeat(sound, n_texts)
        each = self.logprobs[windows[:, None], tokens[:, list(wanted)]]
        order = np.argsort(-each, axis=-1, kind="stable")[..., :N_BEST]
        # Tells which token was taken, and at which window.
        attention = [
            np.broadcast_to(row[None, :, None] + 100 * window, (1, len(row), 4))
            for row, window in zip(tokens, windows, strict=True)
        ]
        return Step(
            order,
            np.take_along_axis(each, order, -1),
            Values(each),  # type: ignore[arg-type]
            Values(each),  # type: ignore[arg-type]
            attention,
            Past(past.n_tokens + tokens.shape[1], (), past.cross),
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
    [found] = search(decoder, Past(0, (), [np.arange(1)]), [ask])  # type: ignore[arg-type]
    return found, decoder


def total_of(decoder: TableDecoder, tokens: Sequence[int]) -> float:
    path = (START, *tokens)
    return float(sum(decoder.logprobs[0, a, b] for a, b in itertools.pairwise(path)))


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
        scores = decoder.logprobs[0, tokens[-1] if tokens else START].copy()
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


@given(TABLES, st.floats(0.1, 3))
def test_texts_far_behind_the_best_are_followed_no_more(
    table: list[list[float]], margin: float
) -> None:
    decoder = TableDecoder(table)
    ask = Ask((5,), (START,), (), 4, END, 6, margin)
    [found] = search(decoder, Past(0, (), [np.arange(1)]), [ask])  # type: ignore[arg-type]
    best, *others = found.texts  # as they were when it ended
    assert all(best.total - margin <= text.total <= best.total for text in others)


@given(st.lists(TABLES, min_size=1, max_size=5), st.integers(1, 3))
def test_windows_together_say_what_each_says_alone(
    tables: list[list[list[float]]], size: int
) -> None:
    ask = Ask((5,), (START,), (), size, END, 6)
    past = Past(0, (), [np.arange(len(tables))])
    together = search(TableDecoder(*tables), past, [ask] * len(tables))  # type: ignore[arg-type]
    for number, (found, table) in enumerate(zip(together, tables, strict=True)):
        alone, _ = found_by(table, size=size, n_most=6)
        assert [text.tokens for text in found.best()] == [text.tokens for text in alone.best()]
        best = found.best()[0]
        seen = found.attention_of(best) - 100 * number
        assert np.array_equal(seen, alone.attention_of(alone.best()[0]))


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
