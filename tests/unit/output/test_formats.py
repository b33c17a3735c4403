from __future__ import annotations

import io
import json
from dataclasses import replace
from html import unescape

import docx
import pysubs2
import pytest
import srt
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from asr_core.output.formats import (
    FORMATS,
    format_timestamp,
    parse_timestamp,
    split_into_words,
    to_bytes,
)
from asr_core.output.subtitles import make_cues
from asr_core.transcript import Segment, Transcript, Word
from tests.support.texts import transcript

SAMPLE = replace(
    transcript([[("Hello,", 0.5), ("<you>", 0.5), ("&", 0.5), ("me.", 0.5)], [("Bye.", 1.0)]]),
    language="en",
    language_probability=0.98,
    notes=("a note",),
)


def test_the_clock_of_subtitles() -> None:
    assert format_timestamp(0) == "00:00:00.000"
    assert format_timestamp(3661.0015, ",") == "01:01:01,002"
    assert format_timestamp(59.9996) == "00:01:00.000"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1:30", 90), ("1:02:30", 3750), (" 0:07.5", 7.5), ("2,25", 2.25)],
)
def test_times_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_timestamp(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1:2:3:4", "-3", "1:30pm"])
def test_an_invalid_time_is_reported(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time; write it as"):
        parse_timestamp(text)


def test_a_document_has_a_paragraph_a_segment() -> None:
    document = docx.Document(io.BytesIO(to_bytes(SAMPLE, "docx")))
    assert [paragraph.text for paragraph in document.paragraphs] == [
        "00:00:00  Hello, <you> & me.",
        "00:00:02  Bye.",
    ]


def test_text_has_a_line_a_segment() -> None:
    assert FORMATS["txt"](SAMPLE) == "Hello, <you> & me.\nBye.\n"


def test_srt() -> None:
    assert FORMATS["srt"](SAMPLE) == (
        "1\n00:00:00,000 --> 00:00:02,000\nHello, <you> & me.\n\n"
        "2\n00:00:02,000 --> 00:00:03,000\nBye.\n\n"
    )


def test_vtt_escapes_what_it_must() -> None:
    text = FORMATS["vtt"](SAMPLE)
    assert text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n")
    assert "Hello, &lt;you&gt; &amp; me." in text


def test_tsv_is_in_milliseconds() -> None:
    assert FORMATS["tsv"](SAMPLE).splitlines()[:2] == [
        "start\tend\ttext",
        "0\t2000\tHello, <you> & me.",
    ]


def test_json_has_every_field() -> None:
    data = json.loads(FORMATS["json"](SAMPLE))
    assert data["language"] == "en"
    assert data["notes"] == ["a note"]
    assert data["segments"][1]["words"] == [
        {"text": " Bye.", "start": 2.0, "end": 3.0, "probability": 0.9}
    ]


def test_every_format_writes_an_empty_transcript() -> None:
    for write in FORMATS.values():
        write(Transcript((), 0.0))


def test_word_by_word_has_a_cue_a_word() -> None:
    srt = FORMATS["srt"](split_into_words(SAMPLE))
    assert srt.count("-->") == 5
    assert "00:00:00,500 --> 00:00:01,000\n<you>\n" in srt


AWKWARD_TEXTS = [
    *("-->", "-->>", "<i>so</i>", "<b", "{\\an8}x", "&amp;", "&", "a<b"),
    *("", " ", "\n", "two\n\nlines", "\r", "7", "WEBVTT", "NOTE", "\ufeff", "\u2028", "\x00"),
    *("word", "مرحبا؟", "今日は。", "e\u0301\u0301"),
]
AWKWARD = st.lists(st.lists(st.sampled_from(AWKWARD_TEXTS), min_size=1, max_size=4), max_size=4)
"""Text that a parser might take for its own syntax."""


def awkward(lines: list[list[str]], start_s: float, speaker: str | None = None) -> Transcript:
    segments, now = [], start_s
    for line in lines:
        words = [Word(f" {text}", now + i, now + i + 0.9, 0.9) for i, text in enumerate(line)]
        segments.append(Segment.from_words(words, None, speaker))
        now += len(line)
    return Transcript(tuple(segments), now + 1, "en")


@given(AWKWARD, st.sampled_from([0.0, 3599.5, 400_000.0]), st.sampled_from([None, "Left", "a>b"]))
def test_other_parsers_read_srt_and_vtt_as_written(
    lines: list[list[str]], start_s: float, speaker: str | None
) -> None:
    """Two strict parsers find the same cues, times and lines, even after 100 hours."""
    written = awkward(lines, start_s, speaker)
    shown = make_cues(written)
    times = [(round(cue.start * 1000), round(cue.end * 1000)) for cue in shown]
    n_lines = [len(cue.lines) for cue in shown]

    as_srt, as_vtt = str(FORMATS["srt"](written)), str(FORMATS["vtt"](written))
    parsed = list(srt.parse(as_srt, ignore_errors=False))
    found = [
        (round(s.start.total_seconds() * 1000), round(s.end.total_seconds() * 1000)) for s in parsed
    ]
    assert found == times
    assert [len(s.content.splitlines()) for s in parsed] == n_lines
    if start_s < 100 * 3600:  # it reads only two digits of hours
        for text, name in ((as_srt, "srt"), (as_vtt, "vtt")):
            events = pysubs2.SSAFile.from_string(text, format_=name)
            assert [(event.start, event.end) for event in events] == times

    captions = webvtt.from_string(as_vtt).captions
    assert [
        (c.start_time.in_milliseconds(), c.end_time.in_milliseconds()) for c in captions
    ] == times
    assert [len(c.lines) for c in captions] == n_lines
    assert [unescape(c.voice or "") for c in captions] == [speaker or ""] * len(shown)
    for text in (as_srt, as_vtt):
        assert not text.startswith("\ufeff")
        assert text.endswith("\n") or not shown
        assert text.count("-->") == len(shown)


def test_text_that_looks_like_a_tag_is_shown_by_players() -> None:
    written = awkward([["<i>so</i>", "{\\an8}said"]], 0.0)
    [event] = pysubs2.SSAFile.from_string(str(FORMATS["srt"](written)), format_="srt")
    assert "\u2060" in event.text
    assert event.text.replace("\u2060", "") == "<i>so</i> {\\an8}said"
    [caption] = webvtt.from_string(str(FORMATS["vtt"](written))).captions
    assert caption.text == "&lt;i&gt;so&lt;/i&gt; {\\an8}said"


def test_right_to_left_lines_are_marked() -> None:
    words = [Word(" هل", 0, 1, 1), Word(" Python", 1, 2, 1), Word(" جيد؟", 2, 3, 1)]
    arabic = Transcript((Segment.from_words(words),), 3, "ar")
    for name in ("srt", "vtt"):
        assert "\n\u202bهل Python جيد؟\u202c\n" in str(FORMATS[name](arabic))
        assert "\u202b" not in str(FORMATS[name](SAMPLE))
    assert FORMATS["txt"](arabic) == "هل Python جيد؟\n"


def test_speakers_are_named_in_cues() -> None:
    segments = [
        Segment.from_words([Word(" How", 0, 1, 1), Word(" so?", 1, 2, 1)], None, "Left"),
        Segment.from_words([Word(" Like", 1.5, 3, 1), Word(" this.", 3, 4, 1)], None, "Right"),
    ]
    both = Transcript(tuple(segments), 4, "en")
    assert FORMATS["srt"](both) == (
        "1\n00:00:00,000 --> 00:00:01,500\nLeft: How so?\n\n"
        "2\n00:00:01,500 --> 00:00:04,000\nRight: Like this.\n\n"
    )
    assert "\n<v Left>How so?\n" in str(FORMATS["vtt"](both))


def test_line_breaks_within_a_segment_are_removed_in_text_and_tables() -> None:
    written = Transcript((Segment.from_words([Word(" one\ntwo\u2028three\tfour", 0, 1, 1)]),), 1)
    assert FORMATS["txt"](written) == "one two three\tfour\n"
    assert FORMATS["tsv"](written) == "start\tend\ttext\n0\t1000\tone two three four\n"


def _segment(speaker: str, start: float, text: str) -> Segment:
    words = text.split()
    return Segment.from_words(
        [Word(f" {word}", start + i / 2, start + (i + 1) / 2, 0.9) for i, word in enumerate(words)],
        speaker=speaker,
    )


CALL = Transcript(
    (
        _segment("Left", 0.0, "Good morning, how may I help you?"),
        _segment("Right", 2.0, "Hello & good morning."),
        _segment("Left", 8.0, "Yes."),
    ),
    10.0,
)
"""The second speaker starts before the first one ends."""


def test_text_names_the_speaker_of_each_line() -> None:
    assert FORMATS["txt"](CALL) == (
        "Left: Good morning, how may I help you?\nRight: Hello & good morning.\nLeft: Yes.\n"
    )


def test_subtitles_name_the_speaker_of_each_cue() -> None:
    cues = str(FORMATS["srt"](CALL)).strip().split("\n\n")
    texts = [" ".join(cue.split("\n")[2:]) for cue in cues]
    assert texts == str(FORMATS["txt"](CALL)).splitlines()
    vtt = str(FORMATS["vtt"](CALL))
    assert "\n<v Left>Good morning," in vtt
    assert "\n<v Right>Hello &amp; good morning.\n" in vtt


def test_tables_and_data_have_the_speaker() -> None:
    rows = [line.split("\t") for line in str(FORMATS["tsv"](CALL)).splitlines()]
    assert rows[0] == ["start", "end", "text", "speaker"]
    assert [row[3] for row in rows[1:]] == ["Left", "Right", "Left"]
    data = json.loads(FORMATS["json"](CALL))
    assert [segment["speaker"] for segment in data["segments"]] == ["Left", "Right", "Left"]


def test_documents_name_the_speaker() -> None:
    document = docx.Document(io.BytesIO(to_bytes(CALL, "docx")))
    assert document.paragraphs[1].text == "00:00:02  Right: Hello & good morning."


def test_word_by_word_keeps_the_speakers_in_the_order_of_time() -> None:
    words = split_into_words(CALL).segments
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert [word.text for word in words if word.speaker == "Right"][:2] == ["Hello", "&"]
