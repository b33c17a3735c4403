from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.numbers import as_digits
from asr_core.transcript import normalised

ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_digits_are_the_same_in_words_alone_and_together(digits: list[int]) -> None:
    together = "".join(map(str, digits))
    assert as_digits(together) == together
    assert as_digits(", ".join(map(str, digits))) == together
    assert as_digits(" ".join(ONES[digit] for digit in digits)) == together
    assert as_digits(" ".join(ONES[digit].title() + "." for digit in digits)) == together


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
        ("the twenty-first", "the 21st"),
        ("third", "3rd"),
        ("nine oh five", "905"),
        ("Chapter ٣", "chapter 3"),
        ("第３章", "第3章"),
    ],
)
def test_a_number_is_the_same_in_words_and_in_digits(words: str, digits: str) -> None:
    assert as_digits(words) == as_digits(digits)


def test_other_numbers_are_others() -> None:
    assert as_digits("twenty six") != as_digits("25")
    assert as_digits("six six") != as_digits("six")
    assert as_digits("thirteen") != as_digits("thirty")


@given(st.text(st.sampled_from("xyzäßж .,'-")))
def test_without_numbers_it_is_the_normalised_text(text: str) -> None:
    assert as_digits(text) == normalised(text)
