"""What was said beside what was heard: errors, how sure one can be of them, and
how well the model knows its own.

Texts are compared as ``normalise`` makes them; counts are those of jiwer on these texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jiwer
import numpy as np
from numpy.typing import NDArray

from asr_core.testbench.normalise import normalised

__all__ = [
    "Counts",
    "Difference",
    "Interval",
    "Score",
    "difference",
    "interval",
    "normaliser",
    "score",
]

_RESAMPLES = 2000

Counted = NDArray[np.int64]

_INVENTED_RUN = 3
"""So many inserted words in a row were not misheard but made up."""


def normaliser(language: str) -> Callable[[str], str]:
    """Return what makes texts of ``language``, a code, as they are compared."""
    return lambda text: normalised(text, language).text


@dataclass(frozen=True)
class Counts:
    """Errors of one text or of many together.

    Attributes:
        n_said: words (or characters) of the reference.
    """

    n_said: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.n_said + other.n_said,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Errors per word said; None where nothing was said."""
        return self.errors / self.n_said if self.n_said else None


@dataclass(frozen=True)
class Score:
    """One case heard once.

    Attributes:
        words, characters: of the texts as normalised; the rates are WER and CER. Each digit
            is a word, and so is each letter of a script without spaces; where a language
            writes spaces, they are characters too.
        raw_words: as written, with case and punctuation.
        n_invented: words written where nothing was said: all of them where the case
            has no words, else those of three or more insertions in a row.
    """

    words: Counts
    characters: Counts
    raw_words: Counts
    n_invented: int


def score(said: str, heard: str, language: str) -> Score:
    """Return how ``heard`` differs from ``said``, both as they are written."""
    reference, hypothesis = normalised(said, language), normalised(heard, language)
    words = jiwer.process_words(reference.text, hypothesis.text)
    if reference.words:
        runs = (
            chunk.hyp_end_idx - chunk.hyp_start_idx
            for chunk in words.alignments[0]
            if chunk.type == "insert"
        )
        n_invented = sum(length for length in runs if length >= _INVENTED_RUN)
    else:
        n_invented = len(hypothesis.words)
    return Score(
        _counts(words),
        _counts(jiwer.process_characters(reference.letters, hypothesis.letters)),
        _counts(jiwer.process_words(said, heard)),
        n_invented,
    )


def _counts(found: jiwer.WordOutput | jiwer.CharacterOutput) -> Counts:
    n_said = found.hits + found.substitutions + found.deletions
    return Counts(n_said, found.substitutions, found.deletions, found.insertions)


@dataclass(frozen=True)
class Interval:
    """A rate and where 95 of 100 such test sets would put it; None where nothing was said."""

    rate: float | None
    low: float | None
    high: float | None


def interval(cases: Sequence[Counts], seed: int = 0) -> Interval:
    """The error rate of ``cases`` together, by bootstrap over them (Bisani & Ney 2004).

    Args:
        cases: one each; what belongs together (conditions of one case) added up.
    """
    total = sum(cases, Counts())
    if total.rate is None:
        return Interval(None, None, None)
    errors = np.array([case.errors for case in cases])
    said = np.array([case.n_said for case in cases])
    rates = _resampled(errors, said, seed)
    low, high = np.percentile(rates, (2.5, 97.5))
    return Interval(total.rate, float(low), float(high))


def _resampled(errors: Counted, said: Counted, seed: int) -> NDArray[np.float64]:
    """(n_resamples,) error rates of test sets drawn from this one."""
    drawn = np.random.default_rng(seed).integers(0, len(said), (_RESAMPLES, len(said)))
    n_said = said[drawn].sum(axis=1)
    rates: NDArray[np.float64] = errors[drawn].sum(axis=1) / np.maximum(n_said, 1)
    return rates


@dataclass(frozen=True)
class Difference:
    """How a second run differs from a first on the same cases.

    Attributes:
        points: error rate of the second minus that of the first; negative is better.
        low, high: where 95 of 100 such test sets would put it.
    """

    points: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or ``same`` where the interval holds zero."""
        if self.high < 0:
            return "better"
        return "worse" if self.low > 0 else "same"


def difference(first: Sequence[Counts], second: Sequence[Counts], seed: int = 0) -> Difference:
    """Of the same cases in the same order, by paired bootstrap (Bisani & Ney 2004).

    Raises:
        ValueError: nothing was said in any of them.
    """
    said = np.array([case.n_said for case in first])
    if not said.sum():
        raise ValueError("nothing was said in these cases")
    gained = np.array([b.errors - a.errors for a, b in zip(first, second, strict=True)])
    low, high = np.percentile(_resampled(gained, said, seed), (2.5, 97.5))
    return Difference(float(gained.sum() / said.sum()), float(low), float(high))
