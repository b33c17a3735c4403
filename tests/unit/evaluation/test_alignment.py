"""The differences shown are those counted, in the original spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.evaluation.alignment import AlignedWord, align
from asr_core.evaluation.metrics import score
from asr_core.transcript import Word, join_words

texts = st.lists(
    st.sampled_from(
        [
            "one",
            "two",
            "hundred",
            "and",
            "25",
            "twenty",
            "five",
            "$5",
            "dollars",
            "don't",
            "do",
            "not",
            "um,",
            "(laughs)",
            "…",
            "Mr.",
            "a",
            "point",
            "9:00",
            "½",
            "per",
            "cent",
            "今天",
            "é",
        ]
    ),
    max_size=12,
).map(" ".join)


def recognised(text: str) -> list[Word]:
    return [Word(f" {word}", i, i + 1, 0.5) for i, word in enumerate(text.split())]


def shown(pairs: list[AlignedWord]) -> list[tuple[str, str, int]]:
    return [(pair.reference, join_words(pair.hypothesis), pair.n_errors) for pair in pairs]


def test_words_are_aligned_with_their_times() -> None:
    pairs = align("the colour of it", recognised("the color off it now"), "en")
    assert shown(pairs) == [
        ("the", "the", 0),
        ("colour", "color", 0),
        ("of", "off", 1),
        ("it", "it", 0),
        ("", "now", 1),
    ]
    assert [pair.start_s for pair in pairs] == [0, 1, 2, 3, 4]
    [left_out] = [p for p in align("a b c", recognised("a c"), "en") if not p.hypothesis]
    assert (left_out.reference, left_out.n_errors, left_out.start_s) == ("b", 1, 1)


def test_a_number_is_aligned_with_its_other_spelling() -> None:
    pairs = align("It cost twenty five dollars, um, yes.", recognised("it costs $26 yes"), "en")
    assert shown(pairs) == [
        ("It", "it", 0),
        ("cost", "costs", 1),
        ("twenty five dollars,", "$26", 1),
        ("um,", "", 0),
        ("yes.", "yes", 0),
    ]
    assert pairs[2].is_correct == (False,)
    assert shown(align("2 ½ now", recognised("2.5 now"), "en"))[0] == ("2 ½", "2.5", 0)
    [number] = align("123", recognised("one two four"), "en")
    assert (number.n_errors, number.is_correct) == (1, (True, True, False))


def test_characters_of_a_script_without_spaces_are_aligned_with_their_word() -> None:
    words = [Word("今天", 0, 1, 0.9), Word("天汽", 1, 2, 0.9), Word("好。", 2, 3, 0.9)]
    assert shown(align("今天天气好", words, "zh")) == [
        ("今天", "今天", 0),
        ("天气", "天汽", 1),
        ("好", "好。", 0),
    ]


@given(texts, texts, st.sampled_from(["en", "de"]))
def test_every_written_word_and_every_error_is_shown_once(
    reference: str, hypothesis: str, code: str
) -> None:
    pairs = align(reference, recognised(hypothesis), code)
    assert "".join("".join(pair.reference for pair in pairs).split()) == "".join(reference.split())
    assert [word for pair in pairs for word in pair.hypothesis] == recognised(hypothesis)
    assert sum(pair.n_errors for pair in pairs) == score(reference, hypothesis, code).words.errors
    for pair in pairs:
        assert all(pair.is_correct) or pair.n_errors


@pytest.mark.parametrize(
    ("reference", "hypothesis"), [("", ""), ("…", ""), ("", "um"), ("a b", ""), ("", "a")]
)
def test_an_empty_side_is_shown_too(reference: str, hypothesis: str) -> None:
    pairs = align(reference, recognised(hypothesis), "en")
    assert " ".join(pair.reference for pair in pairs if pair.reference) == reference
    assert sum(pair.n_errors for pair in pairs) == score(reference, hypothesis, "en").words.errors
