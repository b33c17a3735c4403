from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.text.numbers import digit_key
from asr_core.transcript import comparison_key

ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_digits_are_the_same_in_words_alone_and_together(digits: list[int]) -> None:
    together = "".join(map(str, digits))
    assert digit_key(together) == together
    assert digit_key(", ".join(map(str, digits))) == together
    assert digit_key(" ".join(ONES[digit] for digit in digits)) == together
    assert digit_key(" ".join(ONES[digit].title() + "." for digit in digits)) == together


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("twenty-five", "25"),
        ("Twenty five.", "25"),
        ("twenty", "20"),
        ("nineteen eighty-four", "1984"),
        ("two thousand nineteen", "2019"),
        ("one thousand nine hundred eighty four", "1984"),
        ("two hundred and five", "205"),
        ("a hundred", "100"),
        ("five hundred thousand", "500,000"),
        ("two million three hundred thousand and four", "2,300,004"),
        ("three trillion", "3,000,000,000,000"),
        ("the twenty-first", "the 21st"),
        ("third", "3rd"),
        ("nine oh five", "905"),
        ("Chapter ٣", "chapter 3"),
        ("第３章", "第3章"),
    ],
)
def test_a_number_is_the_same_in_words_and_in_digits(words: str, digits: str) -> None:
    assert digit_key(words) == digit_key(digits)


def test_different_numbers_stay_different() -> None:
    assert digit_key("twenty six") != digit_key("25")
    assert digit_key("six six") != digit_key("six")
    assert digit_key("thirteen") != digit_key("thirty")


@given(st.text(st.sampled_from("xyzäßж .,'-")))
def test_without_numbers_it_is_the_normalised_text(text: str) -> None:
    assert digit_key(text) == comparison_key(text)
