"""Word confidence from the n-best list of a beam search."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from asr_core.transcript import comparison_key

__all__ = ["nbest_word_posteriors", "relative_likelihoods"]


def relative_likelihoods(logprobs: Sequence[float]) -> list[float]:
    """Return the likelihood of each alternative relative to the first text, at most 1.

    Args:
        logprobs: total log-probability of each text, the best one first.

    Returns:
        (n_texts - 1,).
    """
    return [math.exp(min(0.0, logprob - logprobs[0])) for logprob in logprobs[1:]]


def nbest_word_posteriors(
    words: Sequence[str], alternatives: Sequence[Sequence[str]], likelihoods: Sequence[float]
) -> list[float]:
    """Return the posterior of each word of the best text (Evermann and Woodland 2000).

    Args:
        words: of the best text.
        alternatives: words of each other text, aligned with the best one by fewest edits.
        likelihoods: of each alternative, relative to the best text.

    Returns:
        (n_words,), above 0 and at most 1.
    """
    keys = [comparison_key(word) for word in words]
    mass = [1.0] * len(words)
    for text, likelihood in zip(alternatives, likelihoods, strict=True):
        matches = Levenshtein.opcodes(keys, list(map(comparison_key, text))).as_matching_blocks()
        for block in matches:
            for i in range(block.a, block.a + block.size):
                mass[i] += likelihood
    total = sum(likelihoods, start=1.0)  # in the order of a mass: a word of all texts has 1
    return [min(1.0, each / total) for each in mass]
