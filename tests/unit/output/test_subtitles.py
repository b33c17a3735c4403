from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.output.cue_timing import LEAD_S, MAX_CPS, MAX_CUE_S, MIN_CUE_S
from asr_core.output.formats import split_into_words
from asr_core.output.subtitles import Cue, make_cues
from asr_core.text.line_breaks import MAX_LINE_WIDTH, display_width, is_spaceless
from asr_core.transcript import Segment, Transcript, Word
from tests.support.texts import transcript

TEXTS = st.one_of(
    st.sampled_from(["a", "I", "the", "wonderful", "sentence.", "Mr.", "why?", "well,", "—", ""]),
    st.text("ab .,-\u0301\u200b\u2028\n\t\u00a0日ー。กำخ؟\U0001f1e9\x00\ufeff", max_size=9),
)
"""Any word that a model or a person might write."""

TIMES = st.floats(-1, 40, allow_nan=False)

ANY_WORDS = st.lists(
    st.tuples(TEXTS, TIMES, st.floats(0, 3) | st.just(0.0)), min_size=1, max_size=12
)

SPOKEN = st.lists(
    st.tuples(
        st.text("abcdefghij", min_size=1, max_size=14),
        st.sampled_from(["", "", "", ",", "."]),
        st.floats(0.1, 1.5),
        st.sampled_from([0.0, 0.0, 0.0, 0.1, 0.4, 1.0, 3.0]),
    ),
    min_size=2,
    max_size=30,
)
"""Consecutive words: letters, a mark, duration in seconds, and the pause after them."""


def spoken(text: str, seconds_per_word: float = 0.4) -> Transcript:
    return transcript([[(word, seconds_per_word) for word in text.split()]])


def texts(shown: list[Cue]) -> str:
    """Return all text shown, without spaces: some scripts break lines where there are none."""
    return "".join("".join(line.split()) for cue in shown for line in cue.lines)


def timed(lines: list[list[tuple[str, str, float, float]]]) -> Transcript:
    now, segments = 0.3, []
    for line in lines:
        words = []
        for letters, mark, duration, pause in line:
            words.append(Word(f" {letters}{mark}", now, now + duration, 0.9))
            now += duration + pause
        segments.append(Segment.from_words(words))
    return Transcript(tuple(segments), now, "en")


@given(st.lists(ANY_WORDS, max_size=4), st.floats(1, 60), st.sampled_from(["en", "th", "ja", None]))
def test_every_cue_lasts_and_none_overlaps_or_leaves_the_file(
    lines: list[list[tuple[str, float, float]]], duration_s: float, language: str | None
) -> None:
    """For any word times: none, equal, out of order, after the end."""
    segments = tuple(
        Segment.from_words(
            [Word(f" {text}", start, start + length, 0.5) for text, start, length in line]
        )
        for line in lines
    )
    given_transcript = Transcript(segments, duration_s, language)
    for each in (given_transcript, split_into_words(given_transcript)):
        shown = make_cues(each)
        assert all(0 <= cue.start < cue.end <= duration_s for cue in shown)
        assert all(before.end <= after.start for before, after in pairwise(shown))
        assert all(1 <= len(cue.lines) <= 2 for cue in shown)
        assert all(line.strip() == line and line for cue in shown for line in cue.lines)
        too_wide = [
            line for cue in shown for line in cue.lines if display_width(line) > MAX_LINE_WIDTH
        ]
        assert all(" " not in line for line in too_wide)


@given(st.lists(SPOKEN, max_size=4))
def test_no_word_is_lost_and_its_time_is_covered(
    lines: list[list[tuple[str, str, float, float]]],
) -> None:
    for each in (timed(lines), split_into_words(timed(lines))):
        shown = make_cues(each)
        assert texts(shown) == "".join(each.text.split())
        assert all(display_width(line) <= MAX_LINE_WIDTH for cue in shown for line in cue.lines)
        at = 0
        words = each.words
        for cue in shown:
            n = sum(len(line.split()) for line in cue.lines)
            first, last = words[at], words[at + n - 1]
            assert cue.start <= first.start + 0.26
            assert cue.end >= last.end - 0.26
            assert cue.start >= first.start - LEAD_S - 1e-3
            at += n


@given(st.lists(SPOKEN, min_size=1, max_size=4))
def test_a_short_or_fast_cue_uses_all_the_pause_around_it(
    lines: list[list[tuple[str, str, float, float]]],
) -> None:
    each = timed(lines)
    shown = make_cues(each)
    ends = [0.0, *(cue.end for cue in shown)]
    starts = [*(cue.start for cue in shown[1:]), each.duration]
    at = 0
    for cue, before, after in zip(shown, ends, starts, strict=False):
        n = sum(len(line.split()) for line in cue.lines)
        first, at = each.words[at], at + n
        if not is_readable(cue):
            assert cue.end >= after - 2e-3
            assert cue.start <= max(before, first.start - LEAD_S) + 2e-3


def is_readable(cue: Cue) -> bool:
    characters = display_width(" ".join(cue.lines))
    return cue.end - cue.start >= max(MIN_CUE_S, min(MAX_CUE_S, characters / MAX_CPS)) - 2e-3


@given(st.lists(SPOKEN, min_size=1, max_size=4))
def test_a_short_or_fast_cue_could_not_be_merged_with_a_neighbour(
    lines: list[list[tuple[str, str, float, float]]],
) -> None:
    shown = make_cues(timed(lines))
    for one, other in pairwise(shown):
        if other.start - one.end < 1e-3 and not (is_readable(one) and is_readable(other)):
            both = Cue(one.start, other.end, (" ".join((*one.lines, *other.lines)),))
            fits = display_width(both.lines[0]) <= MAX_LINE_WIDTH and both.end - both.start < 6
            assert not (fits and is_readable(both))


def test_lines_break_at_a_comma_and_cues_at_a_sentence() -> None:
    text = (
        "It was the best of times, it was the worst of times. It was the age of wisdom, "
        "it was the age of foolishness."
    )
    assert [cue.lines for cue in make_cues(spoken(text))] == [
        ("It was the best of times,", "it was the worst of times."),
        ("It was the age of wisdom,", "it was the age of foolishness."),
    ]


def test_a_short_cue_stands_until_it_is_read() -> None:
    quick = Segment.from_words([Word(" Oh", 1.0, 1.1, 0.9), Word(" yes.", 1.1, 1.2, 0.9)])
    later = Segment.from_words([Word(" Oh", 2.7, 3.0, 0.9), Word(" no.", 3.0, 4.0, 0.9)])
    assert [cue.end for cue in make_cues(Transcript((quick,), 9))] == [2.0]
    assert [cue.end for cue in make_cues(Transcript((quick, later), 9))] == [2.0, 4.0]


def test_sentences_too_short_to_be_read_alone_share_a_cue() -> None:
    lines = [
        [("Oh", 0.1), ("yes.", 0.2)],
        [("I", 0.1), ("know.", 0.2)],
        [("You", 0.1), ("do.", 0.2)],
    ]
    assert [cue.lines for cue in make_cues(transcript(lines))] == [("Oh yes. I know. You do.",)]


@given(st.lists(SPOKEN, min_size=1, max_size=4))
def test_words_one_by_one_keep_their_times(
    lines: list[list[tuple[str, str, float, float]]],
) -> None:
    words = split_into_words(timed(lines))
    shown = make_cues(words)
    assert [cue.lines for cue in shown] == [(word.text.strip(),) for word in words.words]
    for cue, word in zip(shown, words.words, strict=True):
        assert word.start - 0.1 - 1e-3 <= cue.start <= word.start + 1e-3
        assert cue.end >= word.end - 1e-3


def test_words_without_a_time_of_their_own_are_seen() -> None:
    lines = [[Word(" One.", 0, 1, 1)], [Word(" Two.", 1, 1, 1)], [Word(" Three.", 1, 1.8, 1)]]
    shown = make_cues(Transcript(tuple(map(Segment.from_words, lines)), 12, "en", 1.0))
    assert [cue.lines for cue in shown] == [("One.",), ("Two.",), ("Three.",)]
    assert all(cue.end - cue.start >= MIN_CUE_S for cue in shown)


def test_overlapping_speakers_are_shown_one_after_the_other() -> None:
    one = Segment.from_words([Word(" What", 0, 1, 1), Word(" then?", 1, 4, 1)])
    other = Segment.from_words([Word(" I", 0.2, 2, 1), Word(" see.", 2, 4.2, 1)])
    first, second = make_cues(Transcript((one, other), 9, "en"))
    assert (first.lines, second.lines) == (("What then?",), ("I see.",))
    assert first.end == second.start == 1.0
    assert second.end == 4.2


def test_a_word_longer_than_a_line_is_left_whole() -> None:
    [cue] = make_cues(spoken("a" * 60))
    assert cue.lines == ("a" * 60,)


def test_an_abbreviation_ends_no_cue() -> None:
    text = (
        "He spoke of it at great length to Mr. John Dashwood, who had then leisure to consider it."
    )
    assert [cue.lines[0].endswith("Mr.") for cue in make_cues(spoken(text))] == [False] * 2


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "今日はとても天気が良いので、「公園に行きましょう」と彼女は言いました。" * 2),
        ("zh", "今天天气很好，我们去公园散步吧。他说：“好的！”然后就走了。" * 2),
        ("th", "สวัสดีครับวันนี้อากาศดีมากไปเดินเล่นที่สวนสาธารณะกันเถอะนะครับผมก็จะไปด้วยเหมือนกัน"),
        ("km", "សួស្តីថ្ងៃនេះអាកាសធាតុល្អណាស់ខ្ញុំចង់ទៅដើរលេងនៅសួនច្បារជាមួយមិត្តភក្តិ"),
    ],
)
def test_scripts_without_spaces_are_broken_at_words(language: str, text: str) -> None:
    """The model writes one token a word; no line starts or ends with a forbidden character."""
    words = [Word(c, i * 0.2, i * 0.2 + 0.2, 0.9) for i, c in enumerate(text)]
    shown = make_cues(Transcript((Segment.from_words(words),), 90, language))
    assert texts(shown) == text
    for line in (line for cue in shown for line in cue.lines):
        assert display_width(line) <= MAX_LINE_WIDTH
        assert is_spaceless(line)
        assert line[0] not in "、。」，！”：ーょっัิีึืุู่้๊๋์็ា"
        assert line[-1] not in "「“เแโไใ"


def test_a_long_text_without_spaces_gets_its_share_of_the_words_time() -> None:
    text = "ខ្ញុំចង់ទៅដើរលេងនៅសួនច្បារជាមួយមិត្តភក្តិ" * 4
    [first, second, *_] = make_cues(
        Transcript((Segment.from_words([Word(text, 0, 20, 1)]),), 20, "km")
    )
    assert 2 < first.end <= second.start < 12


@given(st.lists(st.tuples(SPOKEN, st.floats(0, 20)), min_size=2, max_size=5))
def test_cues_of_speakers_alternate_and_contain_every_word(
    parts: list[tuple[list[tuple[str, str, float, float]], float]],
) -> None:
    segments = []
    for i, (part, start_s) in enumerate(parts):
        words, now = [], start_s
        for letters, mark, seconds, pause in part:
            words.append(Word(f" {letters}{mark}", now, now + seconds, 0.9))
            now += seconds + pause
        segments.append(Segment.from_words(words, speaker=f"Speaker {i % 2}"))
    transcript = Transcript(tuple(segments), max(segment.end for segment in segments))
    found = make_cues(transcript)
    for one, other in pairwise(found):
        assert one.start < one.end <= other.start < other.end
    assert all(len(cue.label + cue.lines[0]) <= MAX_LINE_WIDTH for cue in found)
    for speaker in ("Speaker 0", "Speaker 1"):
        spoken = sorted(w.text.strip() for s in segments if s.speaker == speaker for w in s.words)
        shown = sorted(" ".join(w for c in found if c.speaker == speaker for w in c.lines).split())
        assert shown == spoken
