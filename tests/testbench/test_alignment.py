"""What is shown as different is what was counted, in the words as they were written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.testbench.alignment import Aligned, aligned
from asr_core.testbench.scores import score
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


def heard(text: str) -> list[Word]:
    return [Word(f" {word}", i, i + 1, 0.5) for i, word in enumerate(text.split())]


def shown(pairs: list[Aligned]) -> list[tuple[str, str, int]]:
    return [(pair.said, join_words(pair.heard), pair.errors) for pair in pairs]


def test_words_are_aligned_with_their_times() -> None:
    pairs = aligned("the colour of it", heard("the color off it now"), "en")
    assert shown(pairs) == [
        ("the", "the", 0),
        ("colour", "color", 0),
        ("of", "off", 1),
        ("it", "it", 0),
        ("", "now", 1),
    ]
    assert [pair.start_s for pair in pairs] == [0, 1, 2, 3, 4]
    [left_out] = [p for p in aligned("a b c", heard("a c"), "en") if not p.heard]
    assert (left_out.said, left_out.errors, left_out.start_s) == ("b", 1, 1)


def test_a_number_stands_beside_its_other_spelling() -> None:
    pairs = aligned("It cost twenty five dollars, um, yes.", heard("it costs $26 yes"), "en")
    assert shown(pairs) == [
        ("It", "it", 0),
        ("cost", "costs", 1),
        ("twenty five dollars,", "$26", 1),
        ("um,", "", 0),
        ("yes.", "yes", 0),
    ]
    assert pairs[2].right == (False,)
    assert shown(aligned("2 ½ now", heard("2.5 now"), "en"))[0] == ("2 ½", "2.5", 0)
    [number] = aligned("123", heard("one two four"), "en")
    assert (number.errors, number.right) == (1, (True, True, False))


def test_letters_of_a_script_without_spaces_stand_beside_the_word_that_has_them() -> None:
    words = [Word("今天", 0, 1, 0.9), Word("天汽", 1, 2, 0.9), Word("好。", 2, 3, 0.9)]
    assert shown(aligned("今天天气好", words, "zh")) == [
        ("今天", "今天", 0),
        ("天气", "天汽", 1),
        ("好", "好。", 0),
    ]


@given(texts, texts, st.sampled_from(["en", "de"]))
def test_every_written_word_and_every_error_is_shown_once(said: str, got: str, code: str) -> None:
    pairs = aligned(said, heard(got), code)
    assert "".join("".join(pair.said for pair in pairs).split()) == "".join(said.split())
    assert [word for pair in pairs for word in pair.heard] == heard(got)
    assert sum(pair.errors for pair in pairs) == score(said, got, code).words.errors
    for pair in pairs:
        assert all(pair.right) or pair.errors


@pytest.mark.parametrize(("said", "got"), [("", ""), ("…", ""), ("", "um"), ("a b", ""), ("", "a")])
def test_an_empty_side_is_shown_too(said: str, got: str) -> None:
    pairs = aligned(said, heard(got), "en")
    assert " ".join(pair.said for pair in pairs if pair.said) == said
    assert sum(pair.errors for pair in pairs) == score(said, got, "en").words.errors
