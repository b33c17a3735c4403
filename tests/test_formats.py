from __future__ import annotations

import io
import json
from dataclasses import replace

import docx
import pytest

from asr_core.formats import FORMATS, as_bytes, clock, parse_clock, word_by_word
from asr_core.transcript import Transcript
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
