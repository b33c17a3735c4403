"""Aggregation of trials into the tables that people read."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from asr_core.evaluation.alignment import align
from asr_core.evaluation.conditions import CLEAN, CONDITION_TYPES, Condition
from asr_core.evaluation.metrics import (
    Difference,
    ErrorCounts,
    Interval,
    bootstrap_interval,
    paired_difference,
)
from asr_core.evaluation.trial import Trial
from asr_core.transcript import comparison_key, join_words

__all__ = [
    "Calibration",
    "Confusion",
    "Summary",
    "TrialPair",
    "WordlessSummary",
    "collect_tags",
    "compare",
    "condition_sort_key",
    "count_confusions",
    "curve_kinds",
    "measure_calibration",
    "pair_trials",
    "rank_worst",
    "summarise_by_condition",
    "summarise_by_tag",
    "summarise_curves",
]

Key = TypeVar("Key", bound=Hashable)

_N_BINS = 10


@dataclass(frozen=True)
class WordlessSummary:
    """Trials with an empty reference, for which there is no error rate.

    Attributes:
        n_hallucinated: words in their hypotheses.
    """

    n_cases: int = 0
    n_hallucinated: int = 0

    def __str__(self) -> str:
        recordings = "1 recording" if self.n_cases == 1 else f"{self.n_cases} recordings"
        words = "1 word" if self.n_hallucinated == 1 else f"{self.n_hallucinated} words"
        return f"no words: {recordings}, {words} invented"


@dataclass(frozen=True)
class Summary:
    """Figures of several trials; those with an empty reference are in no rate.

    Attributes:
        words: word error rate, with its interval over the cases.
        raw_rate: word error rate of the texts as written.
        characters: character error rate; None without reference words.
        n_hallucinated: words without speech behind them.
        real_time_factor: processing time per second of audio.
        latency_s: streaming only: median and 95th percentile of the time until a word is final.
        n_failed: trials without a result.
        wordless: the trials with an empty reference; ``n_cases`` and ``n_hallucinated`` include
            these.
    """

    n_cases: int
    n_trials: int
    counts: ErrorCounts
    words: Interval
    raw_rate: float | None
    characters: float | None
    n_hallucinated: int
    real_time_factor: float | None
    latency_s: tuple[float, float] | None
    n_failed: int
    wordless: WordlessSummary = WordlessSummary()

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> Summary:
        """Summarise trials of any cases; a case counts once for the interval."""
        good = [trial for trial in trials if trial.result.error is None]
        spoken = [trial for trial in good if trial.score.words.n_reference]
        wordless = [trial for trial in good if not trial.score.words.n_reference]
        audio_s = sum(trial.result.audio_s for trial in good)
        latencies = [s for trial in good for s in trial.result.latencies]
        return cls(
            n_cases=len({trial.case_id for trial in trials}),
            n_trials=len(trials),
            counts=sum((trial.score.words for trial in spoken), ErrorCounts()),
            words=bootstrap_interval(list(_per_case(spoken).values())),
            raw_rate=sum((trial.score.raw_words for trial in spoken), ErrorCounts()).rate,
            characters=sum((trial.score.characters for trial in spoken), ErrorCounts()).rate,
            n_hallucinated=sum(trial.score.n_hallucinated for trial in good),
            real_time_factor=sum(t.result.processing_s for t in good) / audio_s
            if audio_s
            else None,
            latency_s=_percentiles(latencies),
            n_failed=len(trials) - len(good),
            wordless=WordlessSummary(
                len({trial.case_id for trial in wordless}),
                sum(trial.score.n_hallucinated for trial in wordless),
            ),
        )


def _percentiles(values: Sequence[float]) -> tuple[float, float] | None:
    if not values:
        return None
    middle, high = np.percentile(values, (50, 95))
    return float(middle), float(high)


def _per_case(trials: Iterable[Trial]) -> dict[str, ErrorCounts]:
    totals: dict[str, ErrorCounts] = defaultdict(ErrorCounts)
    for trial in trials:
        totals[trial.case_id] += trial.score.words
    return dict(totals)


def _grouped(trials: Iterable[Trial], key: Callable[[Trial], Key]) -> dict[Key, list[Trial]]:
    groups: dict[Key, list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[key(trial)].append(trial)
    return dict(groups)


def condition_sort_key(condition: Condition) -> tuple[int, str, float]:
    """Return a key that sorts conditions by type, then from mild to hard."""
    falling = condition.kind in ("white", "pink", "babble", "noise", "amr")
    value = -condition.value if falling else condition.value
    return list(CONDITION_TYPES).index(condition.kind), condition.noise, value


def summarise_by_condition(trials: Iterable[Trial]) -> dict[tuple[Condition, str], Summary]:
    """Return a summary for each condition and system's title, in display order."""
    groups = _grouped(trials, lambda trial: (trial.condition, trial.system.title))
    order = sorted(groups, key=lambda key: (condition_sort_key(key[0]), key[1]))
    return {key: Summary.of(groups[key]) for key in order}


def summarise_by_tag(trials: Iterable[Trial], tag: str) -> dict[tuple[str, str], Summary]:
    """Return a summary for each value of ``tag`` and system's title, most errors first."""
    tagged = [trial for trial in trials if tag in trial.tags]
    groups = _grouped(tagged, lambda trial: (trial.tags[tag], trial.system.title))
    rows = {key: Summary.of(group) for key, group in groups.items()}
    return dict(sorted(rows.items(), key=lambda item: -(item[1].words.rate or 0.0)))


def summarise_curves(
    trials: Iterable[Trial], kinds: Sequence[str]
) -> dict[tuple[str, float, str], Summary]:
    """Return a summary for each condition type, value and system's title.

    The unchanged recording is a point of pitch, speed, loss and gain.
    """
    points = _points(trials)
    return {key: Summary.of(points[key]) for key in sorted(points) if key[0] in kinds}


def curve_kinds(trials: Iterable[Trial]) -> list[str]:
    """Return the condition types with more than one value, for which a curve can be drawn."""
    n_values = Counter(kind for kind, _ in {(kind, value) for kind, value, _ in _points(trials)})
    return sorted(kind for kind, n in n_values.items() if n > 1)


def _points(trials: Iterable[Trial]) -> dict[tuple[str, float, str], list[Trial]]:
    unchanged = {"pitch": 0.0, "speed": 1.0, "loss": 0.0, "gain": 0.0}
    points: dict[tuple[str, float, str], list[Trial]] = defaultdict(list)
    trials = list(trials)
    present = {trial.condition.kind for trial in trials}
    for trial in trials:
        condition = trial.condition
        points[(condition.kind, condition.value, trial.system.title)].append(trial)
        if condition == CLEAN:
            for kind, value in unchanged.items():
                if kind in present:
                    points[(kind, value, trial.system.title)].append(trial)
    return dict(points)


def rank_worst(trials: Iterable[Trial], n: int | None = None) -> list[Trial]:
    """Return the trials with most errors per word first; failed ones before all."""

    def severity(trial: Trial) -> tuple[bool, float, int]:
        counts = trial.score.words
        rate = counts.errors / max(counts.n_reference, 1)
        return trial.result.error is not None, rate, counts.errors

    return sorted(trials, key=severity, reverse=True)[:n]


@dataclass(frozen=True)
class Confusion:
    """Word recognised as another, with its count and the cases it occurs in."""

    reference: str
    hypothesis: str
    count: int
    cases: tuple[str, ...]


def count_confusions(trials: Iterable[Trial], n: int = 20) -> list[Confusion]:
    """Return the ``n`` most frequent confusions."""
    found: Counter[tuple[str, str]] = Counter()
    cases: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for trial in trials:
        if not trial.score.words.errors:
            continue
        for pair in align(trial.reference, trial.result.words, trial.language):
            if pair.reference and pair.hypothesis and pair.n_errors:
                key = _plain(pair.reference), _plain(join_words(pair.hypothesis))
                found[key] += 1
                cases[key][trial.name] = None
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [Confusion(*key, count, tuple(cases[key])) for key, count in ordered[:n]]


def _plain(word: str) -> str:
    return word.strip().strip('.,;:!?"“”()…—-').casefold() or word.strip()


@dataclass(frozen=True)
class Calibration:
    """Confidence against correctness of words.

    Attributes:
        bins: (mean confidence, share correct, number of words) of each tenth.
        error: expected calibration error (Guo et al. 2017); None without words.
    """

    bins: tuple[tuple[float, float, int], ...]
    error: float | None


def measure_calibration(trials: Iterable[Trial]) -> Calibration:
    """Return the calibration over all hypothesis words of trials with a reference."""
    confidence: list[float] = []
    right: list[bool] = []
    for trial in trials:
        if not trial.reference:
            continue
        for pair in align(trial.reference, trial.result.words, trial.language):
            for word, is_right in zip(pair.hypothesis, pair.is_correct, strict=True):
                if comparison_key(word.text):
                    confidence.append(word.probability)
                    right.append(is_right)
    bins: list[tuple[float, float, int]] = []
    chosen = [min(int(p * _N_BINS), _N_BINS - 1) for p in confidence]
    for k in range(_N_BINS):
        members = [i for i, b in enumerate(chosen) if b == k]
        if members:
            mean = math.fsum(confidence[i] for i in members) / len(members)
            bins.append((mean, sum(right[i] for i in members) / len(members), len(members)))
    total = sum(n for _, _, n in bins)
    error = sum(n * abs(mean - share) for mean, share, n in bins) / total if total else None
    return Calibration(tuple(bins), error)


@dataclass(frozen=True)
class TrialPair:
    """Case and condition in two runs."""

    first: Trial
    second: Trial

    @property
    def errors(self) -> int:
        """Errors of the second minus errors of the first; negative is better."""
        return self.second.score.words.errors - self.first.score.words.errors


def pair_trials(first: Iterable[Trial], second: Iterable[Trial]) -> list[TrialPair]:
    """Return the cases and conditions that both runs have, largest deterioration first."""
    before = {(t.case_id, t.condition): t for t in first}
    both = (
        TrialPair(before[key], trial)
        for trial in second
        if (key := (trial.case_id, trial.condition)) in before
    )
    return sorted(both, key=lambda change: -change.errors)


def compare(pairs: Sequence[TrialPair]) -> dict[Condition | None, Difference]:
    """Return the difference for each condition and, under None, for all; without empty references."""
    good = [
        pair for pair in pairs
        if pair.first.result.error is None and pair.second.result.error is None
        and pair.first.score.words.n_reference
    ]  # fmt: skip
    groups: dict[Condition | None, list[TrialPair]] = {None: good}
    for pair in sorted(good, key=lambda pair: condition_sort_key(pair.first.condition)):
        groups.setdefault(pair.first.condition, []).append(pair)
    return {condition: _difference(group) for condition, group in groups.items() if group}


def _difference(pairs: Sequence[TrialPair]) -> Difference:
    first = _per_case(pair.first for pair in pairs)
    second = _per_case(pair.second for pair in pairs)
    return paired_difference([first[key] for key in first], [second[key] for key in first])


def collect_tags(trials: Iterable[Trial]) -> Mapping[str, list[str]]:
    """Return the tags in use, each with its values."""
    found: dict[str, set[str]] = defaultdict(set)
    for trial in trials:
        for tag, value in trial.tags.items():
            found[tag].add(value)
    return {tag: sorted(values) for tag, values in sorted(found.items())}
