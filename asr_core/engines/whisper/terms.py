"""Bias towards names and terms: in the beam their tokens score higher (shallow fusion).

A trie of the terms' tokens is followed beside each hypothesis. Each token that goes on with a term
earns a bonus; a hypothesis that leaves the term before its end, or writes a longer word that only
begins like it, loses what it has earned for it (Zhao et al. 2019, "Shallow-Fusion End-to-End
Contextual Biasing"). So whole terms gain, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

__all__ = ["NO_TERM", "TermState", "TermTrie"]

FIRST_TOKEN_BONUS = 3.0
"""Added to the log-probability of a term's first token, which many other words begin with."""

TOKEN_BONUS = 4.0
"""Added to the log-probability of each further token of a term (docs/tuning.md)."""

MAX_BONUS = 7.0
"""Most that is added to the log-probability of a term, however many tokens it has."""


@dataclass(eq=False, slots=True)
class _Node:
    children: dict[int, _Node] = field(default_factory=dict)
    is_end: bool = False


@dataclass(frozen=True, slots=True)
class TermState:
    """Place of a hypothesis in the trie.

    Attributes:
        node: where it is; None outside of all terms.
        earned: bonus for the term that is not complete, or whose end is not confirmed.
    """

    node: _Node | None = None
    earned: float = 0.0


NO_TERM = TermState()


class TermTrie:
    """Trie of terms as token sequences; immutable, so any thread may use it.

    Args:
        spellings: tokens of each term, with its leading space.
        continues_word: returns True for a token that goes on with the word before it.
    """

    def __init__(
        self,
        spellings: Iterable[Sequence[int]],
        continues_word: Callable[[int], bool],
    ) -> None:
        self._root = _Node()
        self._continues_word = continues_word
        for tokens in spellings:
            node = self._root
            for token in tokens:
                node = node.children.setdefault(token, _Node())
            node.is_end = node is not self._root

    def candidates(self, state: TermState) -> list[int]:
        """Return the tokens that begin a term or go on with one."""
        inside = state.node.children if state.node is not None else {}
        return [*inside, *(token for token in self._root.children if token not in inside)]

    def advance(self, state: TermState, token: int) -> tuple[TermState, float]:
        """Return the state after ``token``, and what it adds to the hypothesis' log-probability."""
        node, earned = state.node, state.earned
        if node is not None and node.is_end and not self._continues_word(token):
            earned = 0.0  # the term is complete, whatever follows
        if node is not None and (child := node.children.get(token)) is not None:
            bonus = min(TOKEN_BONUS, MAX_BONUS - earned)
            return TermState(child, earned + bonus), bonus
        first = self._root.children.get(token)
        if first is None:
            return NO_TERM, -earned
        return TermState(first, FIRST_TOKEN_BONUS), FIRST_TOKEN_BONUS - earned

    def state_after(self, tokens: Sequence[int]) -> TermState:
        """Return the state after a text that is given."""
        state = NO_TERM
        for token in tokens:
            state, _ = self.advance(state, token)
        return state
