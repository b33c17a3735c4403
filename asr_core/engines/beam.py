"""Beam search over the passes of a decoder, for several windows at once; a draft is checked in
the first of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from asr_core.engines.draft import n_standing

if TYPE_CHECKING:
    from asr_core.engines.onnx_decoder import OnnxDecoder, Past, Step

__all__ = ["Ask", "Found", "Text", "search"]

_LEAST = np.finfo(np.float16).smallest_normal.astype(np.float32)


@dataclass(frozen=True)
class Text:
    """What a beam follows, or found.

    Attributes:
        tokens: those of the draft that stand first, the end not among them.
        logprobs: of each token, and of the end if it came.
        attention: of each token after the draft that a pass took, (n_heads, 1, n_frames), in
            16 bits: of a long window it is tens of megabytes.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    total: float
    attention: tuple[NDArray[np.float16], ...] = ()

    @property
    def score(self) -> float:
        """Log-probability for each token."""
        return self.total / max(1, len(self.logprobs))

    def after(self, token: int, total: float) -> Text:
        logprobs = (*self.logprobs, total - self.total)
        return Text((*self.tokens, token), logprobs, total, self.attention)

    def closed(self, total: float) -> Text:
        return replace(self, logprobs=(*self.logprobs, total - self.total), total=total)

    def taken_in(self, attention: NDArray[np.float32]) -> Text:
        # Smaller ones are subnormal in 16 bits, which takes a processor fifteen times as long.
        halves = np.maximum(attention, _LEAST).astype(np.float16)
        return replace(self, attention=(*self.attention, halves))


@dataclass(frozen=True)
class Ask:
    """What is asked of the decoder.

    Attributes:
        previous: tokens of what was said before.
        start: those that start the transcript.
        draft: those that may come next.
        size: how many texts are followed.
        margin: and how much less likely than the best of them, as a logarithm.
        end: the token that ends a text.
        n_most: tokens of a text, the draft's among them.
        repetition_penalty: above 1, tokens that stand in a text already become less likely.
    """

    previous: Sequence[int]
    start: Sequence[int]
    draft: Sequence[int]
    size: int
    end: int
    n_most: int
    margin: float = math.inf
    repetition_penalty: float = 1.0

    @property
    def n_prompt(self) -> int:
        return len(self.previous) + len(self.start)


@dataclass
class Found:
    """What a search found so far.

    Attributes:
        first: the pass over the prompt and the draft, of which ``row`` is this window's.
        n_held: tokens of the draft that stand.
        texts: those that go on, best first.
        ended: those that do not.
    """

    ask: Ask
    first: Step
    row: int
    n_held: int
    texts: list[Text]
    ended: list[Text] = field(default_factory=list)

    def grow(self, tokens: NDArray[np.int64], logprobs: NDArray[np.float32]) -> list[int]:
        """Take the likeliest tokens (n_texts, n_best) after each text.

        Returns:
            Of each text that goes on, the one that it goes on from; none at the end.
        """
        totals = np.array([text.total for text in self.texts])[:, None] + logprobs
        ranking = np.argsort(-totals, axis=None, kind="stable")[: 2 * self.ask.size]
        going: list[Text] = []
        origins: list[int] = []
        for rank, at in enumerate(ranking.tolist()):
            origin, column = divmod(at, tokens.shape[1])
            token, total = int(tokens[origin, column]), float(totals[origin, column])
            text = self.texts[origin]
            if token == self.ask.end:
                if rank < self.ask.size:
                    self.ended.append(text.closed(total))
            elif len(going) < self.ask.size and self._may_win(total, going):
                going.append(text.after(token, total))
                origins.append(origin)
        self.texts = going
        return [] if self._is_over() else origins

    def _may_win(self, total: float, likelier: Sequence[Text]) -> bool:
        return not likelier or total >= likelier[0].total - self.ask.margin

    def _is_over(self) -> bool:
        """A text that ended is likelier, token by token, than all that go on."""
        if len(self.texts[0].tokens) >= self.ask.n_most:
            return True
        return any(text.score >= self.texts[0].score for text in self.ended)

    def best(self) -> list[Text]:
        """Those that ended; where these are few, also those that might have gone on."""
        ended = sorted(self.ended, key=lambda text: -text.score)
        return [*ended, *self.texts][: self.ask.size]

    def attention_of(self, text: Text) -> NDArray[np.float32]:
        """(n_heads, n_tokens, n_frames): of the start sequence and of the text's tokens, but
        for a last one that no pass took."""
        begun = slice(len(self.ask.previous), self.ask.n_prompt + self.n_held)
        rows: list[NDArray[np.floating]] = [self.first.attention[self.row][:, begun]]
        rows += text.attention
        return np.concatenate(rows, axis=1, dtype=np.float32)


def search(decoder: OnnxDecoder, past: Past, asks: Sequence[Ask]) -> list[Found]:
    """The likeliest texts of each window whose sound is in ``past``, which is used up.

    Of the drafts those tokens stand that come before the first doubtful one of any. The
    asks have prompts of one length and drafts of one length, and one penalty.
    """
    found, step = _begun(decoder, past, asks)
    n_held = found[0].n_held
    past = step.past.until(asks[0].n_prompt + n_held)
    penalty = asks[0].repetition_penalty
    drafts = [text.tokens for one in found for text in one.texts]
    likeliest, logprobs = _likeliest(decoder, step, 1 + n_held, drafts, penalty)
    if not n_held:
        logprobs = np.where(np.isin(likeliest, decoder.suppressed_at_first), -np.inf, logprobs)
    going = list(found)
    while True:
        going, origins, past = _grown(going, likeliest, logprobs, past)
        if not going:
            return found
        texts = [text for one in going for text in one.texts]
        newest = np.array([[text.tokens[-1]] for text in texts])
        n_texts = [len(one.texts) for one in going]
        step = decoder.step(newest, past, origins=origins, n_texts=n_texts, wanted=[0])
        taken = iter([text.taken_in(a) for text, a in zip(texts, step.attention, strict=True)])
        for one in going:
            one.texts = list(itertools.islice(taken, len(one.texts)))
        said = [text.tokens for text in texts]
        past, (likeliest, logprobs) = step.past, _likeliest(decoder, step, 0, said, penalty)


def _likeliest(
    decoder: OnnxDecoder,
    step: Step,
    position: int,
    texts: Sequence[Sequence[int]],
    penalty: float,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """After each row's text, (n_rows, n_best) tokens and log-probabilities."""
    if penalty != 1:
        return decoder.penalised(step, position, texts, penalty)
    return step.tokens[:, position], step.logprobs[:, position]


def _begun(decoder: OnnxDecoder, past: Past, asks: Sequence[Ask]) -> tuple[list[Found], Step]:
    """The pass over prompts and drafts, and what it says."""
    tokens = np.array([[*ask.previous, *ask.start, *ask.draft] for ask in asks])
    n, n_prompt = len(asks), asks[0].n_prompt
    # The position asked for first tells whether anybody speaks, the others what comes next.
    wanted = [len(asks[0].previous), *range(n_prompt - 1, tokens.shape[1])]
    step = decoder.step(tokens, past, origins=[0] * n, n_texts=[1] * n, wanted=wanted)
    said = [step.logprobs_of(ask.draft, row) for row, ask in enumerate(asks)]
    n_held = min(n_standing(np.exp(logprobs).tolist()) for logprobs in said)
    found = []
    for row, (ask, logprobs) in enumerate(zip(asks, said, strict=True)):
        held = logprobs[:n_held]
        text = Text(tuple(ask.draft[:n_held]), tuple(held.tolist()), float(held.sum()))
        found.append(Found(ask, step, row, n_held, [text]))
    return found, step


def _grown(
    going: Sequence[Found], likeliest: NDArray[np.int64], logprobs: NDArray[np.float32], past: Past
) -> tuple[list[Found], list[int], Past]:
    """Give each window its rows' likeliest tokens; return those windows that go on, of each of
    their texts the row that it goes on from, and ``past`` with their sound alone."""
    left: list[tuple[Found, list[int]]] = []
    begin = 0
    for one in going:
        rows = slice(begin, begin + len(one.texts))
        origins = one.grow(likeliest[rows], logprobs[rows])
        left.append((one, [begin + origin for origin in origins]))
        begin = rows.stop
    for at in reversed(range(len(left))):
        if not left[at][1]:
            past = past.without(at)
            left[at] = left[-1]
            left.pop()
    return [one for one, _ in left], [row for _, rows in left for row in rows], past
