"""How far the other texts of the beam back the words of the best one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from asr_core.transcript import normalised

__all__ = ["beside_the_best", "support"]


def beside_the_best(totals: Sequence[float]) -> list[float]:
    """How likely each text but the first is beside the first, at most as likely, from
    their log-probabilities."""
    return [math.exp(min(0.0, total - totals[0])) for total in totals[1:]]


def support(
    words: Sequence[str], alternatives: Sequence[Sequence[str]], weights: Sequence[float]
) -> list[float]:
    """How likely it is that each word of the best text is said: a word's posterior from
    an n-best list (Evermann and Woodland 2000).

    Args:
        words: of the best text.
        alternatives: the words of each other text; texts are aligned by fewest edits.
        weights: how likely each of them is beside the best one.

    Returns:
        (n_words,), above 0 and at most 1.
    """
    wanted = [normalised(word) for word in words]
    backed = [1.0] * len(words)
    for text, weight in zip(alternatives, weights, strict=True):
        same = Levenshtein.opcodes(wanted, list(map(normalised, text))).as_matching_blocks()
        for block in same:
            for i in range(block.a, block.a + block.size):
                backed[i] += weight
    everything = 1 + sum(weights)
    return [min(1.0, share / everything) for share in backed]
