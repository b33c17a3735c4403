from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from asr_core.output.corrections import apply_corrections
from asr_core.output.subtitles import make_cues
from asr_core.transcript import Segment, Transcript, Word
from tests.support.texts import transcript

HEARD = transcript([[("Ever", 0.5), ("fried.", 0.5)], [("No", 0.4), ("matter.", 0.6)]])


def test_a_word_that_stays_keeps_its_time_and_a_new_one_takes_the_place_of_the_old() -> None:
    [first, second] = apply_corrections(HEARD, {0: "Ever tried."}).segments
    assert first.words == (Word(" Ever", 0.0, 0.5, 0.9), Word(" tried.", 0.5, 1.0, 1.0))
    assert second == HEARD.segments[1]


def test_new_words_share_the_time_by_their_letters() -> None:
    [first, _] = apply_corrections(HEARD, {0: "Ever a tried."}).segments
    assert [(w.text, round(w.start, 3), round(w.end, 3)) for w in first.words] == [
        (" Ever", 0.0, 0.5),
        (" a", 0.5, 0.611),
        (" tried.", 0.611, 1.0),
    ]


def test_an_inserted_word_stands_between_its_neighbours() -> None:
    [first, _] = apply_corrections(HEARD, {0: "Ever and fried."}).segments
    assert first.words[1] == Word(" and", 0.5, 0.5, 1.0)


def test_an_emptied_line_is_removed() -> None:
    assert apply_corrections(HEARD, {0: "  "}).segments == HEARD.segments[1:]


def test_a_corrected_line_keeps_its_language() -> None:
    line = Segment.from_words(HEARD.segments[0].words, "ga")
    assert (
        apply_corrections(Transcript((line,), 1.0), {0: "Ever tried."}).segments[0].language == "ga"
    )


def test_subtitles_follow() -> None:
    assert make_cues(apply_corrections(HEARD, {1: "Never mind."}))[1].lines == ("Never mind.",)


def test_scripts_without_spaces_are_corrected_by_the_character() -> None:
    words = (Word("你好", 0.0, 1.0, 0.9), Word("世界。", 1.0, 2.0, 0.9))
    [line] = apply_corrections(
        Transcript((Segment.from_words(words),), 2.0), {0: "你们世界。"}
    ).segments
    assert line.text == "你们世界。"
    assert line.words[1] == Word("们", 0.5, 1.0, 1.0)
    assert line.words[2].start == 1.0


WORD = st.text().map(lambda text: "".join(text.split())).filter(bool)


@given(st.lists(WORD, min_size=1), st.text())
@example(["0㐀"], "0 㐀")
def test_any_text_comes_out_as_it_was_written_in_order_and_in_the_line(
    recognised: list[str], text: str
) -> None:
    before = transcript([[(word, 0.3) for word in recognised]])
    after = apply_corrections(before, {0: text})
    assert after.text == " ".join(text.split())
    for a, b in pairwise(after.words):
        assert a.start <= a.end <= b.start + 1e-9
    assert all(w.start >= -1e-9 and w.end <= 0.3 * len(recognised) + 1e-9 for w in after.words)


def test_a_corrected_line_keeps_its_speaker() -> None:
    line = Segment.from_words(HEARD.segments[0].words, speaker="Left")
    [after] = apply_corrections(Transcript((line,), 1.0), {0: "Something else."}).segments
    assert (after.speaker, after.text) == ("Left", "Something else.")
