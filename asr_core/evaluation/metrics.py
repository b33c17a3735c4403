"""Error counts of a hypothesis against its reference, and bootstrap confidence intervals.

Texts are compared after :mod:`asr_core.evaluation.normalise`; counts are jiwer's on these texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jiwer
import numpy as np
from numpy.typing import NDArray

from asr_core.evaluation.normalise import normalise_text

__all__ = [
    "Difference",
    "ErrorCounts",
    "Interval",
    "Score",
    "bootstrap_interval",
    "normaliser",
    "paired_difference",
    "score",
]

_N_RESAMPLES = 2000  # bootstrap test sets

IntArray = NDArray[np.int64]

_MIN_HALLUCINATED_RUN = 3
"""Consecutive insertions from which on the words count as hallucinated, not misrecognised."""


def normaliser(language: str) -> Callable[[str], str]:
    """Return a function that normalises texts of ``language``, a code."""
    return lambda text: normalise_text(text, language).text


@dataclass(frozen=True)
class ErrorCounts:
    """Errors of one text or of several added up.

    Attributes:
        n_reference: words (or characters) of the reference.
    """

    n_reference: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.n_reference + other.n_reference,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Errors per reference word; None for an empty reference."""
        return self.errors / self.n_reference if self.n_reference else None


@dataclass(frozen=True)
class Score:
    """Errors of one trial.

    Attributes:
        words, characters: counts on the normalised texts; their rates are WER and CER. Each
            digit is a word, and so is each letter of a script without spaces; in languages
            that write spaces, these are characters too.
        raw_words: counts on the texts as written, with case and punctuation.
        n_hallucinated: words without speech behind them: all of the hypothesis where the
            reference is empty, else those in runs of three or more insertions.
    """

    words: ErrorCounts
    characters: ErrorCounts
    raw_words: ErrorCounts
    n_hallucinated: int


def score(reference: str, hypothesis: str, language: str) -> Score:
    """Return the errors of ``hypothesis`` against ``reference``, both as written."""
    expected, found = normalise_text(reference, language), normalise_text(hypothesis, language)
    words = jiwer.process_words(expected.text, found.text)
    if expected.words:
        runs = (
            chunk.hyp_end_idx - chunk.hyp_start_idx
            for chunk in words.alignments[0]
            if chunk.type == "insert"
        )
        n_hallucinated = sum(length for length in runs if length >= _MIN_HALLUCINATED_RUN)
    else:
        n_hallucinated = len(found.words)
    return Score(
        _counts(words),
        _counts(jiwer.process_characters(expected.letters, found.letters)),
        _counts(jiwer.process_words(reference, hypothesis)),
        n_hallucinated,
    )


def _counts(output: jiwer.WordOutput | jiwer.CharacterOutput) -> ErrorCounts:
    n_reference = output.hits + output.substitutions + output.deletions
    return ErrorCounts(n_reference, output.substitutions, output.deletions, output.insertions)


@dataclass(frozen=True)
class Interval:
    """Error rate with its 95 % confidence interval; all None without reference words."""

    rate: float | None
    low: float | None
    high: float | None


def bootstrap_interval(cases: Sequence[ErrorCounts], seed: int = 0) -> Interval:
    """Return the error rate of ``cases`` together, by bootstrap over them (Bisani & Ney 2004).

    Args:
        cases: one item per independent case; conditions of one case are added up first.
        seed: of the resampling.
    """
    total = sum(cases, ErrorCounts())
    if total.rate is None:
        return Interval(None, None, None)
    errors = np.array([case.errors for case in cases])
    n_reference = np.array([case.n_reference for case in cases])
    rates = _resample_rates(errors, n_reference, seed)
    low, high = np.percentile(rates, (2.5, 97.5))
    return Interval(total.rate, float(low), float(high))


def _resample_rates(errors: IntArray, n_reference: IntArray, seed: int) -> NDArray[np.float64]:
    """Return (n_resamples,) error rates of test sets drawn with replacement."""
    n_cases = len(n_reference)
    drawn = np.random.default_rng(seed).integers(0, n_cases, (_N_RESAMPLES, n_cases))
    totals = n_reference[drawn].sum(axis=1)
    rates: NDArray[np.float64] = errors[drawn].sum(axis=1) / np.maximum(totals, 1)
    return rates


@dataclass(frozen=True)
class Difference:
    """Error rate of one system minus that of another on the same cases.

    Attributes:
        points: second minus first; negative is better.
        low, high: 95 % confidence interval of ``points``.
    """

    points: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or ``same`` if the interval includes zero."""
        if self.high < 0:
            return "better"
        return "worse" if self.low > 0 else "same"


def paired_difference(
    first: Sequence[ErrorCounts], second: Sequence[ErrorCounts], seed: int = 0
) -> Difference:
    """Compare two results on the same cases, by paired bootstrap (Bisani & Ney 2004).

    Args:
        first: counts of each case.
        second: counts of the same cases in the same order.
        seed: of the resampling.

    Raises:
        ValueError: the references have no words.
    """
    n_reference = np.array([case.n_reference for case in first])
    if not n_reference.sum():
        raise ValueError("the references of these cases have no words")
    change = np.array([b.errors - a.errors for a, b in zip(first, second, strict=True)])
    low, high = np.percentile(_resample_rates(change, n_reference, seed), (2.5, 97.5))
    return Difference(float(change.sum() / n_reference.sum()), float(low), float(high))
