"""What was said beside what was heard: errors, how sure one can be of them, and
how well the model knows its own.

Texts are compared after Whisper's normaliser (Radford et al. 2022, appendix C):
that of English for English, the one that spares letters alone for the others, letter
by letter where a language writes no spaces. Counts are those of jiwer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jiwer
import numpy as np
from numpy.typing import NDArray
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from asr_core.transcript import Word

__all__ = [
    "Aligned",
    "Counts",
    "Difference",
    "Interval",
    "Score",
    "aligned",
    "difference",
    "interval",
    "normaliser",
    "score",
]

_WITHOUT_SPACES = frozenset(("zh", "ja", "th", "lo", "my", "yue"))

_RESAMPLES = 2000

Counted = NDArray[np.int64]

_INVENTED_RUN = 3
"""So many inserted words in a row were not misheard but made up."""


@functools.cache
def normaliser(language: str) -> Callable[[str], str]:
    """That of ``language``, a code; words come out with single spaces between."""
    if language == "en":
        normalise: Callable[[str], str] = EnglishTextNormalizer()
    else:
        normalise = BasicTextNormalizer(split_letters=language in _WITHOUT_SPACES)
    return functools.lru_cache(maxsize=10_000)(lambda text: " ".join(normalise(text).split()))


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
        words, characters: after the normaliser; the rates are WER and CER.
        raw_words: as written, with case and punctuation.
        n_invented: words written where nothing was said: all of them where the case
            has no words, else those of three or more insertions in a row.
    """

    words: Counts
    characters: Counts
    raw_words: Counts
    n_invented: int


def score(said: str, heard: str, language: str) -> Score:
    """``heard`` against ``said``, both as they are written."""
    normalise = normaliser(language)
    reference, hypothesis = normalise(said), normalise(heard)
    words = jiwer.process_words(reference, hypothesis)
    if reference:
        runs = (
            chunk.hyp_end_idx - chunk.hyp_start_idx
            for chunk in words.alignments[0]
            if chunk.type == "insert"
        )
        n_invented = sum(length for length in runs if length >= _INVENTED_RUN)
    else:
        n_invented = len(hypothesis.split())
    return Score(
        _counts(words),
        _counts(jiwer.process_characters(reference, hypothesis)),
        _counts(jiwer.process_words(said, heard)),
        n_invented,
    )


def _counts(found: jiwer.WordOutput | jiwer.CharacterOutput) -> Counts:
    n_said = found.hits + found.substitutions + found.deletions
    return Counts(n_said, found.substitutions, found.deletions, found.insertions)


@dataclass(frozen=True)
class Aligned:
    """A word that was said, a word that was heard, or one in place of the other.

    Attributes:
        said: as written; empty where a word was inserted.
        heard: None where a word was left out.
        start_s: when it was heard; of a word left out, when the last one ended.
    """

    said: str
    heard: Word | None
    is_right: bool
    start_s: float


def aligned(said: str, heard: Sequence[Word], language: str) -> list[Aligned]:
    """Word by word, for reading: words are equal if the normaliser makes them so."""
    normalise = normaliser(language)
    reference = _written_words(said, language)
    keys = [normalise(word) or word for word in reference]
    heard_keys = [normalise(word.text) or word.text.strip() for word in heard]
    if not keys or not heard_keys:
        ops = [("delete", i, 0) for i in range(len(keys))]
        ops += [("insert", 0, i) for i in range(len(heard_keys))]
    else:
        ops = _operations([_one(key) for key in keys], [_one(key) for key in heard_keys])
    pairs: list[Aligned] = []
    last_end = 0.0
    for kind, i, j in ops:
        word = None if kind == "delete" else heard[j]
        text = "" if kind == "insert" else reference[i]
        pairs.append(Aligned(text, word, kind == "equal", word.start if word else last_end))
        last_end = word.end if word else last_end
    return pairs


def _one(key: str) -> str:
    """A key without spaces, since jiwer takes each space for the end of a word."""
    return key.replace(" ", "_")


def _operations(reference: list[str], hypothesis: list[str]) -> list[tuple[str, int, int]]:
    [chunks] = jiwer.process_words(" ".join(reference), " ".join(hypothesis)).alignments
    return [
        (chunk.type, chunk.ref_start_idx + k, chunk.hyp_start_idx + k)
        for chunk in chunks
        for k in range(
            max(
                chunk.ref_end_idx - chunk.ref_start_idx,
                chunk.hyp_end_idx - chunk.hyp_start_idx,
            )
        )
    ]


def _written_words(said: str, language: str) -> list[str]:
    return list(said.replace(" ", "")) if language in _WITHOUT_SPACES else said.split()


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
