from __future__ import annotations

import io
import json
from dataclasses import replace

import docx
import pytest

from asr_core.formats import FORMATS, as_bytes, clock, parse_clock, word_by_word
from asr_core.transcript import Segment, Transcript, Word
from tests.texts import transcript

SAMPLE = replace(
    transcript([[("Hello,", 0.5), ("<you>", 0.5), ("&", 0.5), ("me.", 0.5)], [("Bye.", 1.0)]]),
    language="en",
    language_probability=0.98,
    notes=("a note",),
)


def test_the_clock_of_subtitles() -> None:
    assert clock(0) == "00:00:00.000"
    assert clock(3661.0015, ",") == "01:01:01,002"
    assert clock(59.9996) == "00:01:00.000"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1:30", 90), ("1:02:30", 3750), (" 0:07.5", 7.5), ("2,25", 2.25)],
)
def test_times_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_clock(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1:2:3:4", "-3", "1:30pm"])
def test_what_is_no_time_gets_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; write it as"):
        parse_clock(text)


def test_a_document_has_a_paragraph_a_segment() -> None:
    document = docx.Document(io.BytesIO(as_bytes(SAMPLE, "docx")))
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


def test_json_has_everything() -> None:
    data = json.loads(FORMATS["json"](SAMPLE))
    assert data["language"] == "en"
    assert data["notes"] == ["a note"]
    assert data["segments"][1]["words"] == [
        {"text": " Bye.", "start": 2.0, "end": 3.0, "probability": 0.9}
    ]


def test_an_empty_transcript_is_fine_in_every_format() -> None:
    for write in FORMATS.values():
        write(Transcript((), 0.0))


def test_word_by_word_has_a_cue_a_word() -> None:
    srt = FORMATS["srt"](word_by_word(SAMPLE))
    assert srt.count("-->") == 5
    assert "00:00:00,500 --> 00:00:01,000\n<you>\n" in srt


def _said(speaker: str, start: float, text: str) -> Segment:
    words = text.split()
    return Segment.of(
        [Word(f" {word}", start + i / 2, start + (i + 1) / 2, 0.9) for i, word in enumerate(words)],
        speaker=speaker,
    )


CALL = Transcript(
    (
        _said("Left", 0.0, "Good morning, how may I help you?"),
        _said("Right", 2.0, "Hello & good morning."),
        _said("Left", 8.0, "Yes."),
    ),
    10.0,
)
"""The second speaker begins before the first one ends."""


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
    document = docx.Document(io.BytesIO(as_bytes(CALL, "docx")))
    assert document.paragraphs[1].text == "00:00:02  Right: Hello & good morning."


def test_word_by_word_keeps_the_speakers_in_the_order_of_time() -> None:
    words = word_by_word(CALL).segments
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert [word.text for word in words if word.speaker == "Right"][:2] == ["Hello", "&"]
