from __future__ import annotations

import tracemalloc

from hypothesis import example, given
from hypothesis import strategies as st

from asr_core.transcript import Segment, Word, join_words

NUMBER = st.floats(0, 100_000)
WORDS = st.lists(st.builds(Word, st.text(), NUMBER, NUMBER, NUMBER), min_size=1)


@given(WORDS)
@example([Word("\r\n", 0.0, 1.0, 0.5), Word("𝄞é", 1.0, 2.0, 0.5)])
def test_a_segment_returns_the_words_it_was_made_of(words: list[Word]) -> None:
    segment = Segment.from_words(words, "en")
    assert segment.words == tuple(words)
    assert segment.text == join_words(words)
    assert segment == Segment.from_words(words, "en")
    assert hash(segment) == hash(Segment.from_words(words, "en"))


def test_the_words_of_a_day_fit_into_fifteen_megabytes() -> None:
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    day = [
        Segment.from_words([Word(f" w{i}", i, i + 0.3, 0.9) for i in range(10)])
        for _ in range(2_000)
    ]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 1.5e6, f"a tenth of a day, {10 * len(day)} words"
