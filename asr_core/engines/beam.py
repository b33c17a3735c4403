"""Beam search over the passes of a decoder; a draft is checked in the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from asr_core.engines.draft import n_standing

if TYPE_CHECKING:
    from asr_core.engines.onnx_decoder import OnnxDecoder, Past, Step

__all__ = ["Ask", "Found", "Text", "search"]


@dataclass(frozen=True)
class Text:
    """What a beam follows, or found.

    Attributes:
        tokens: those of the draft that stand first, the end not among them.
        logprobs: of each token, and of the end if it came.
        rows: of each token after the draft, its row in the pass that took it.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    total: float
    rows: tuple[int, ...] = ()

    @property
    def score(self) -> float:
        """Log-probability for each token."""
        return self.total / max(1, len(self.logprobs))

    def after(self, token: int, total: float) -> Text:
        logprobs = (*self.logprobs, total - self.total)
        return Text((*self.tokens, token), logprobs, total, self.rows)

    def closed(self, total: float) -> Text:
        return replace(self, logprobs=(*self.logprobs, total - self.total), total=total)

    def taken_in(self, row: int) -> Text:
        return replace(self, rows=(*self.rows, row))


@dataclass(frozen=True)
class Ask:
    """What is asked of the decoder.

    Attributes:
        previous: tokens of what was said before.
        start: those that start the transcript.
        draft: those that may come next.
        size: how many texts are followed.
        end: the token that ends a text.
        n_most: tokens of a text, the draft's among them.
    """

    previous: Sequence[int]
    start: Sequence[int]
    draft: Sequence[int]
    size: int
    end: int
    n_most: int

    @property
    def n_prompt(self) -> int:
        return len(self.previous) + len(self.start)


@dataclass
class Found:
    """What a search found so far.

    Attributes:
        first: the pass over the prompt and the draft.
        n_held: tokens of the draft that stand.
        texts: those that go on, best first.
        ended: those that do not.
        attention: of each later pass.
    """

    ask: Ask
    first: Step
    n_held: int
    texts: list[Text]
    ended: list[Text] = field(default_factory=list)
    attention: list[NDArray[np.float32]] = field(default_factory=list)

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
            elif len(going) < self.ask.size:
                going.append(text.after(token, total))
                origins.append(origin)
        self.texts = going
        return [] if self._is_over() else origins

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
        columns = [self.first.attention[:, :, begun]]
        for attention, row in zip(self.attention, text.rows, strict=False):
            columns.append(attention[:, :, row : row + 1])
        return np.ascontiguousarray(np.concatenate(columns, axis=-1).swapaxes(1, 2))


def search(decoder: OnnxDecoder, past: Past, ask: Ask) -> Found:
    """The likeliest texts of the sound in ``past``; of the draft those tokens stand that
    come before the first doubtful one."""
    tokens = np.array([[*ask.previous, *ask.start, *ask.draft]])
    wanted = [len(ask.previous), *range(ask.n_prompt - 1, tokens.shape[1])]
    first = decoder.step(tokens, past, origins=[0], wanted=wanted)
    # The position asked for first tells whether anybody speaks, the others what comes next.
    said = first.logprobs_of(ask.draft)
    n_held = n_standing(np.exp(said).tolist())
    begun = Text(
        tuple(ask.draft[:n_held]), tuple(said[:n_held].tolist()), float(said[:n_held].sum())
    )
    found = Found(ask, first, n_held, [begun])
    past = first.past.until(ask.n_prompt + n_held)
    likeliest, logprobs = first.tokens[:, 1 + n_held], first.logprobs[:, 1 + n_held]
    if not n_held:
        logprobs = np.where(np.isin(likeliest, decoder.suppressed_at_first), -np.inf, logprobs)
    while origins := found.grow(likeliest, logprobs):
        newest = np.array([[text.tokens[-1]] for text in found.texts])
        step = decoder.step(newest, past, origins=origins, wanted=[0])
        found.texts = [text.taken_in(row) for row, text in enumerate(found.texts)]
        found.attention.append(step.attention)
        past, likeliest, logprobs = step.past, step.tokens[:, 0], step.logprobs[:, 0]
    return found
