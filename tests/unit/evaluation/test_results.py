"""Invented trials, so that the right results are known."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from asr_core.evaluation.conditions import CLEAN, Condition
from asr_core.evaluation.report import curve_kinds, to_csv, to_html, to_json
from asr_core.evaluation.results import (
    Summary,
    WordlessSummary,
    compare,
    count_confusions,
    measure_calibration,
    pair_trials,
    rank_worst,
    summarise_by_condition,
    summarise_by_tag,
    summarise_curves,
)
from asr_core.evaluation.trial import SystemConfig, Trial, TrialResult
from asr_core.transcript import Word

TINY, BASE = SystemConfig("tiny.en"), SystemConfig("base")


def trial(
    case: str,
    reference: str,
    hypothesis: str,
    condition: Condition = CLEAN,
    system: SystemConfig = BASE,
    **tags: str,
) -> Trial:
    words = tuple(Word(f" {w}", i, i + 1, 0.9) for i, w in enumerate(hypothesis.split()))
    return Trial(
        case, case, reference, "en", condition, system, TrialResult(words, "en", 4.0, 1.0), tags
    )


LOUD, SOFT = Condition("white", 0), Condition("white", 20)
TRIALS = [
    trial("a", "one red house", "one red house", accent="Scots"),
    trial("a", "one red house", "one bread mouse", LOUD, accent="Scots"),
    trial("b", "a red door", "a red door", accent="Irish"),
    trial("b", "a red door", "a bread door", LOUD, accent="Irish"),
    trial("b", "a red door", "a red door", SOFT, accent="Irish"),
]


def test_a_row_adds_up_words_and_counts_cases_once() -> None:
    row = Summary.of(TRIALS)
    assert (row.n_cases, row.n_trials, row.counts.n_reference, row.counts.errors) == (2, 5, 15, 3)
    assert row.words.rate == pytest.approx(0.2)
    assert row.real_time_factor == pytest.approx(0.25)


def test_conditions_are_listed_from_mild_to_hard() -> None:
    rows = summarise_by_condition(TRIALS)
    assert [condition for condition, _ in rows] == [CLEAN, SOFT, LOUD]
    assert rows[LOUD, "base"].counts.errors == 3


def test_tags_are_listed_with_the_most_errors_first() -> None:
    assert [value for value, _ in summarise_by_tag(TRIALS, "accent")] == ["Scots", "Irish"]
    assert summarise_by_tag(TRIALS, "age") == {}


def test_a_curve_begins_where_nothing_is_changed() -> None:
    trials = [*TRIALS, trial("a", "one red house", "one", Condition("pitch", 3))]
    values = [value for kind, value, _ in summarise_curves(trials, ["pitch"]) if kind == "pitch"]
    assert values == [0.0, 3.0]
    assert curve_kinds(trials) == ["pitch", "white"]


def test_the_worst_trials_come_first_and_confusions_are_counted() -> None:
    assert rank_worst(TRIALS, 1)[0].text == "one bread mouse"
    first = count_confusions(TRIALS)[0]
    assert (first.reference, first.hypothesis, first.count, first.cases) == (
        "red",
        "bread",
        2,
        ("a", "b"),
    )


def test_calibration_compares_confidence_with_correctness() -> None:
    found = measure_calibration(TRIALS)
    [(confidence, right, n)] = found.bins
    assert (confidence, right, n) == (pytest.approx(0.9), pytest.approx(12 / 15), 15)
    assert found.error == pytest.approx(0.1)


def test_two_systems_are_compared_on_the_recordings_of_both() -> None:
    better = [trial("a", "one red house", "one red house", LOUD, TINY)]
    pairs = pair_trials(TRIALS, better)
    assert [pair.errors for pair in pairs] == [-2]
    assert compare(pairs)[None].verdict == "better"
    assert compare(pair_trials(TRIALS, TRIALS))[None].verdict == "same"
    assert pair_trials(TRIALS, [trial("z", "x", "y")]) == []


def test_a_failed_trial_is_counted_and_shown_but_not_scored() -> None:
    failed = Trial("c", "c", "some words", "en", CLEAN, BASE, TrialResult(error="It failed."))
    row = Summary.of([*TRIALS, failed])
    assert (row.n_failed, row.counts.n_reference) == (1, 15)
    assert rank_worst([*TRIALS, failed])[0] is failed


def test_words_hallucinated_for_an_empty_reference_are_in_no_rate() -> None:
    silent = trial("c", "", "thanks for watching")
    music = trial("d", "[music]", "")
    row = Summary.of([*TRIALS, silent, music])
    assert (row.words, row.characters, row.raw_rate, row.counts) == (
        Summary.of(TRIALS).words, Summary.of(TRIALS).characters, Summary.of(TRIALS).raw_rate,
        Summary.of(TRIALS).counts,
    )  # fmt: skip
    assert (row.n_cases, row.wordless) == (4, WordlessSummary(2, 3))
    assert str(row.wordless) == "no words: 2 recordings, 3 words invented"
    assert str(WordlessSummary(1, 1)) == "no words: 1 recording, 1 word invented"
    pairs = pair_trials([*TRIALS, silent], [*TRIALS, trial("c", "", "")])
    assert compare(pairs)[None].verdict == "same"


def test_rows_left_out_are_in_the_report() -> None:
    page = to_html([*TRIALS, trial("c", "", "thanks")], "A run", ["line 7: a<b.wav is not there"])
    assert "line 7: a&lt;b.wav is not there" in page
    assert "no words: 1 recording, 1 word invented" in page


def test_exports_contain_every_trial_and_no_formula() -> None:
    trials = [*TRIALS, trial("=1+1", "x", "@y")]
    rows = list(csv.DictReader(io.StringIO(to_csv(trials))))
    assert len(rows) == 6
    assert rows[1]["hypothesis"] == "one bread mouse"
    assert rows[1]["reference_normalised"] == "1 red house"
    assert rows[1]["hypothesis_normalised"] == "1 bread mouse"
    assert rows[1]["tag:accent"] == "Scots"
    assert rows[5]["case"] == "'=1+1"
    assert rows[5]["hypothesis"] == "'@y"
    data = json.loads(to_json(trials))
    assert len(data["trials"]) == 6
    assert data["trials"][1]["hypothesis_normalised"] == "1 bread mouse"
    assert data["summary"][0]["condition"] == "clean"


def test_the_report_is_self_contained_and_escapes_hypotheses() -> None:
    page = to_html([*TRIALS, trial("x", "<b>bold</b>", "<script>alert(1)</script>")], "A <run>")
    assert "<script" not in page
    assert "A &lt;run&gt;" in page
    assert "<del>one red house</del>" not in page
    assert "one <del>red</del> <ins>bread</ins>" in page
    assert "Hypothesis: 1 bread mouse" in page
    outside = re.findall(r"""(?:src|href)\s*=\s*["']?(\w+:)?//""", page)
    assert not outside
    assert page.count("<svg") >= 4
    assert "Word error rate by condition and model" in page
