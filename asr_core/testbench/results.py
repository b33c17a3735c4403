"""Trials → the tables that are read: pure functions, no audio, no model, no store."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from asr_core.testbench.alignment import aligned
from asr_core.testbench.conditions import CLEAN, KINDS, Condition
from asr_core.testbench.scores import (
    Counts,
    Difference,
    Interval,
    difference,
    interval,
)
from asr_core.testbench.trial import Trial
from asr_core.transcript import join_words, normalised

__all__ = [
    "Calibration",
    "Change",
    "Confusion",
    "Row",
    "Wordless",
    "by_condition",
    "by_tag",
    "calibration",
    "changes",
    "compared",
    "condition_order",
    "confusions",
    "curve_kinds",
    "curves",
    "tags_of",
    "worst",
]

Key = TypeVar("Key", bound=Hashable)

_N_BINS = 10


@dataclass(frozen=True)
class Wordless:
    """Trials of recordings in which nothing is said: no rate can be told of them.

    Attributes:
        n_invented: words written all the same.
    """

    n_cases: int = 0
    n_invented: int = 0

    def __str__(self) -> str:
        recordings = "1 recording" if self.n_cases == 1 else f"{self.n_cases} recordings"
        words = "1 word" if self.n_invented == 1 else f"{self.n_invented} words"
        return f"no words: {recordings}, {words} invented"


@dataclass(frozen=True)
class Row:
    """Many trials together; those of recordings without words are in no rate.

    Attributes:
        words: error rate of words, with its interval over the cases.
        characters: error rate of characters; None where nothing was said.
        n_invented: words written where nothing was said.
        real_time_factor: seconds of work per second of audio.
        latency_s: streaming: until a word was final, median and 95th percentile.
        n_failed: trials that gave no result.
        wordless: of the recordings in which nothing is said; ``n_cases`` and ``n_invented``
            count these too.
    """

    n_cases: int
    n_trials: int
    counts: Counts
    words: Interval
    raw_rate: float | None
    characters: float | None
    n_invented: int
    real_time_factor: float | None
    latency_s: tuple[float, float] | None
    n_failed: int
    wordless: Wordless = Wordless()

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> Row:
        """The trials of any cases; a case counts once for the interval."""
        good = [trial for trial in trials if trial.heard.error is None]
        said = [trial for trial in good if trial.score.words.n_said]
        wordless = [trial for trial in good if not trial.score.words.n_said]
        audio_s = sum(trial.heard.audio_s for trial in good)
        latencies = [s for trial in good for s in trial.heard.latencies]
        return cls(
            n_cases=len({trial.case_id for trial in trials}),
            n_trials=len(trials),
            counts=sum((trial.score.words for trial in said), Counts()),
            words=interval(list(_per_case(said).values())),
            raw_rate=sum((trial.score.raw_words for trial in said), Counts()).rate,
            characters=sum((trial.score.characters for trial in said), Counts()).rate,
            n_invented=sum(trial.score.n_invented for trial in good),
            real_time_factor=sum(t.heard.took_s for t in good) / audio_s if audio_s else None,
            latency_s=_percentiles(latencies),
            n_failed=len(trials) - len(good),
            wordless=Wordless(
                len({trial.case_id for trial in wordless}),
                sum(trial.score.n_invented for trial in wordless),
            ),
        )


def _percentiles(values: Sequence[float]) -> tuple[float, float] | None:
    if not values:
        return None
    middle, high = np.percentile(values, (50, 95))
    return float(middle), float(high)


def _per_case(trials: Iterable[Trial]) -> dict[str, Counts]:
    totals: dict[str, Counts] = defaultdict(Counts)
    for trial in trials:
        totals[trial.case_id] += trial.score.words
    return dict(totals)


def _grouped(trials: Iterable[Trial], key: Callable[[Trial], Key]) -> dict[Key, list[Trial]]:
    groups: dict[Key, list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[key(trial)].append(trial)
    return dict(groups)


def condition_order(condition: Condition) -> tuple[int, str, float]:
    """As they are listed: kind by kind, from mild to hard."""
    falling = condition.kind in ("white", "pink", "babble", "noise", "amr")
    value = -condition.value if falling else condition.value
    return list(KINDS).index(condition.kind), condition.noise, value


def by_condition(trials: Iterable[Trial]) -> dict[tuple[Condition, str], Row]:
    """A row for each condition and setup's title, in the order they are listed."""
    groups = _grouped(trials, lambda trial: (trial.condition, trial.setup.title))
    order = sorted(groups, key=lambda key: (condition_order(key[0]), key[1]))
    return {key: Row.of(groups[key]) for key in order}


def by_tag(trials: Iterable[Trial], tag: str) -> dict[tuple[str, str], Row]:
    """A row for each value of ``tag`` and setup's title, the most errors first."""
    tagged = [trial for trial in trials if tag in trial.tags]
    groups = _grouped(tagged, lambda trial: (trial.tags[tag], trial.setup.title))
    rows = {key: Row.of(group) for key, group in groups.items()}
    return dict(sorted(rows.items(), key=lambda item: -(item[1].words.rate or 0.0)))


def curves(trials: Iterable[Trial], kinds: Sequence[str]) -> dict[tuple[str, float, str], Row]:
    """A row for each kind of condition, how much of it, and setup's title.

    The recording as it is stands in pitch and speed where nothing is changed.
    """
    points = _points(trials)
    return {key: Row.of(points[key]) for key in sorted(points) if key[0] in kinds}


def curve_kinds(trials: Iterable[Trial]) -> list[str]:
    """Kinds of conditions with more than one value: those a curve can be drawn of."""
    n_values = Counter(kind for kind, _ in {(kind, value) for kind, value, _ in _points(trials)})
    return sorted(kind for kind, n in n_values.items() if n > 1)


def _points(trials: Iterable[Trial]) -> dict[tuple[str, float, str], list[Trial]]:
    unchanged = {"pitch": 0.0, "speed": 1.0, "loss": 0.0, "gain": 0.0}
    points: dict[tuple[str, float, str], list[Trial]] = defaultdict(list)
    trials = list(trials)
    present = {trial.condition.kind for trial in trials}
    for trial in trials:
        condition = trial.condition
        points[(condition.kind, condition.value, trial.setup.title)].append(trial)
        if condition == CLEAN:
            for kind, value in unchanged.items():
                if kind in present:
                    points[(kind, value, trial.setup.title)].append(trial)
    return dict(points)


def worst(trials: Iterable[Trial], n: int | None = None) -> list[Trial]:
    """The most errors per word first; what failed or was made up before all."""

    def badness(trial: Trial) -> tuple[bool, float, int]:
        counts = trial.score.words
        rate = counts.errors / max(counts.n_said, 1)
        return trial.heard.error is not None, rate, counts.errors

    return sorted(trials, key=badness, reverse=True)[:n]


@dataclass(frozen=True)
class Confusion:
    """One word heard for another, with how often and in which cases."""

    said: str
    heard: str
    count: int
    cases: tuple[str, ...]


def confusions(trials: Iterable[Trial], n: int = 20) -> list[Confusion]:
    """The most often misheard words first."""
    found: Counter[tuple[str, str]] = Counter()
    cases: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for trial in trials:
        if not trial.score.words.errors:
            continue
        for pair in aligned(trial.said, trial.heard.words, trial.language):
            if pair.said and pair.heard and pair.errors:
                key = _plain(pair.said), _plain(join_words(pair.heard))
                found[key] += 1
                cases[key][trial.name] = None
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [Confusion(*key, count, tuple(cases[key])) for key, count in ordered[:n]]


def _plain(word: str) -> str:
    return word.strip().strip('.,;:!?"“”()…—-').casefold() or word.strip()


@dataclass(frozen=True)
class Calibration:
    """How often words of a certain confidence were right.

    Attributes:
        bins: (mean confidence, share that was right, how many) of each tenth.
        error: mean distance between the two, weighted (expected calibration error,
            Guo et al. 2017); None without words.
    """

    bins: tuple[tuple[float, float, int], ...]
    error: float | None


def calibration(trials: Iterable[Trial]) -> Calibration:
    """Of all words heard where something was said."""
    confidence: list[float] = []
    right: list[bool] = []
    for trial in trials:
        if not trial.said:
            continue
        for pair in aligned(trial.said, trial.heard.words, trial.language):
            for word, is_right in zip(pair.heard, pair.right, strict=True):
                if normalised(word.text):
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
class Change:
    """One case and condition in two runs."""

    first: Trial
    second: Trial

    @property
    def errors(self) -> int:
        """More errors in the second; below zero it is better."""
        return self.second.score.words.errors - self.first.score.words.errors


def changes(first: Iterable[Trial], second: Iterable[Trial]) -> list[Change]:
    """What both heard, what became worse first."""
    before = {(t.case_id, t.condition): t for t in first}
    both = (
        Change(before[key], trial)
        for trial in second
        if (key := (trial.case_id, trial.condition)) in before
    )
    return sorted(both, key=lambda change: -change.errors)


def compared(pairs: Sequence[Change]) -> dict[Condition | None, Difference]:
    """Of each condition, and under None of all together; those without words left out."""
    good = [
        pair for pair in pairs
        if pair.first.heard.error is None and pair.second.heard.error is None
        and pair.first.score.words.n_said
    ]  # fmt: skip
    groups: dict[Condition | None, list[Change]] = {None: good}
    for pair in sorted(good, key=lambda pair: condition_order(pair.first.condition)):
        groups.setdefault(pair.first.condition, []).append(pair)
    return {condition: _difference(group) for condition, group in groups.items() if group}


def _difference(pairs: Sequence[Change]) -> Difference:
    first = _per_case(pair.first for pair in pairs)
    second = _per_case(pair.second for pair in pairs)
    return difference([first[key] for key in first], [second[key] for key in first])


def tags_of(trials: Iterable[Trial]) -> Mapping[str, list[str]]:
    """The tags in use, each with its values."""
    found: dict[str, set[str]] = defaultdict(set)
    for trial in trials:
        for tag, value in trial.tags.items():
            found[tag].add(value)
    return {tag: sorted(values) for tag, values in sorted(found.items())}
