from __future__ import annotations

import pytest

from asr_core.streaming.refinement import changed_words
from asr_core.transcript import Word


def words(text: str) -> list[Word]:
    return [Word(f" {each}", i, i + 1.0, 1.0) for i, each in enumerate(text.split())]


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("the best of times", "The best of times.", ""),
        ("the vest of times", "the best of times", "best"),
        ("of times", "the best of times", "the best"),
        ("the best of of times", "the best of times", ""),
        ("", "yes", "yes"),
        ("yes", "", ""),
    ],
)
def test_a_word_is_changed_if_it_was_not_written_there_before(
    before: str, after: str, changed: str
) -> None:
    marks = changed_words(words(before), words(after))
    assert [
        w.text.strip() for w, is_changed in zip(words(after), marks, strict=True) if is_changed
    ] == changed.split()
