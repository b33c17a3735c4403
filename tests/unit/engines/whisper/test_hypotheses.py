from __future__ import annotations

import pytest

from asr_core.engines.whisper.hypotheses import limit_duration
from asr_core.transcript import Word


@pytest.mark.parametrize(
    ("text", "seconds"), [(" 599-341-5111,", 6.0), (" 42", 1.5), (" A-B-C", 2.2), (" U.S.", 1.4)]
)
def test_a_number_is_timed_by_its_digits(text: str, seconds: float) -> None:
    word = Word(text, 1.0, 1.0 + seconds, 0.9)
    assert limit_duration(word, is_first=False) == word


@pytest.mark.parametrize("text", [" I", " a", " 3.", " word", " I'd"])
def test_a_pause_is_trimmed_from_a_word(text: str) -> None:
    word = Word(text, 1.0, 4.0, 0.9)
    assert limit_duration(word, is_first=False).end < 2.0
    assert limit_duration(word, is_first=True).start > 3.0
