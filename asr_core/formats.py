"""A transcript as text, subtitles, data or a document."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from asr_core.line_breaks import set_right_to_left
from asr_core.subtitles import Cue, cues, label
from asr_core.transcript import Segment, Transcript, Word

__all__ = [
    "FORMATS",
    "as_bytes",
    "clock",
    "parse_clock",
    "to_docx",
    "to_json",
    "to_srt",
    "to_tsv",
    "to_txt",
    "to_vtt",
    "word_by_word",
]


def clock(seconds: float, separator: str = ".") -> str:
    """``HH:MM:SS.mmm``, as subtitle formats write time."""
    milliseconds = max(0, round(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{separator}{rest % 1000:03}"


def parse_clock(text: str) -> float:
    """Seconds of ``[[HH:]MM:]SS[.mmm]``.

    Raises:
        ValueError: it is no such time.
    """
    found = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d*)?)", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no time; write it as 90, 1:30 or 1:02:30")
    hours, minutes, seconds = (float((part or "0").replace(",", ".")) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def to_txt(transcript: Transcript) -> str:
    """One line a segment, with its speaker before it where speakers are told apart."""
    return "".join(
        f"{label(segment.speaker)}{_one_line(segment.text)}\n"
        for segment in transcript.segments
        if segment.text
    )


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def to_srt(transcript: Transcript) -> str:
    """SubRip. It has no way to escape: what players would take for a tag is broken up."""
    return "".join(
        f"{number}\n{clock(cue.start, ',')} --> {clock(cue.end, ',')}\n"
        + _for_srt(cue, transcript.language)
        + "\n\n"
        for number, cue in enumerate(cues(transcript), 1)
    )


def _for_srt(cue: Cue, language: str | None) -> str:
    first, *others = cue.lines
    text = "\n".join(set_right_to_left((cue.label + first, *others), language))
    return _TAG.sub("\\g<0>\N{WORD JOINER}", text).replace("-->", "→")


_TAG = re.compile(r"<(?=/?(?:[bisu]|font)\b)|\{(?=\\)", re.IGNORECASE)


def to_vtt(transcript: Transcript) -> str:
    """WebVTT; its three special characters are escaped, speakers are voices."""
    escape = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
    return "WEBVTT\n\n" + "".join(
        f"{clock(cue.start)} --> {clock(cue.end)}\n"
        + (f"<v {cue.speaker.translate(escape)}>" if cue.speaker else "")
        + "\n".join(set_right_to_left(cue.lines, transcript.language)).translate(escape)
        + "\n\n"
        for cue in cues(transcript)
    )


def to_tsv(transcript: Transcript) -> str:
    """Start and end in milliseconds, and the text, a line a segment; last the speaker, in a
    transcript that tells speakers apart."""
    has_speakers = any(segment.speaker for segment in transcript.segments)
    rows = [["start", "end", "text", "speaker"]]
    for segment in transcript.segments:
        times = [str(round(seconds * 1000)) for seconds in (segment.start, segment.end)]
        rows.append([*times, _one_line(segment.text).replace("\t", " "), segment.speaker or ""])
    return "".join("\t".join(row if has_speakers else row[:3]) + "\n" for row in rows)


def to_json(transcript: Transcript) -> str:
    """Everything: language, notes, segments and words with times and probabilities."""
    data = {
        "text": transcript.text,
        "language": transcript.language,
        "language_probability": round(transcript.language_probability, 4),
        "duration": round(transcript.duration, 3),
        "notes": list(transcript.notes),
        "segments": [
            {
                "start": round(segment.start, 3),
                "end": round(segment.end, 3),
                "text": segment.text,
                **({"speaker": segment.speaker} if segment.speaker else {}),
                **({"language": segment.language} if segment.language else {}),
                "words": [word_data(word) for word in segment.words],
            }
            for segment in transcript.segments
        ],
    }
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def word_data(word: Word) -> dict[str, Any]:
    """A word as JSON has it."""
    return {
        "text": word.text,
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "probability": round(word.probability, 4),
    }


def to_docx(transcript: Transcript) -> bytes:
    """A document of Word's: a paragraph a segment, its time in grey before it."""
    import docx
    from docx.shared import Pt, RGBColor

    document = docx.Document()
    document.core_properties.author = document.core_properties.comments = ""  # the template's
    for segment in transcript.segments:
        paragraph = document.add_paragraph()
        paragraph.paragraph_format.space_after = Pt(6)
        time = paragraph.add_run(f"{clock(segment.start)[:8]}  ")
        time.font.color.rgb = RGBColor(0x80, 0x80, 0x80)
        if segment.speaker:
            paragraph.add_run(label(segment.speaker)).bold = True
        paragraph.add_run(_CONTROL.sub("", segment.text))
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")  # XML has no way to write these


FORMATS: Mapping[str, Callable[[Transcript], str | bytes]] = {
    "txt": to_txt,
    "srt": to_srt,
    "vtt": to_vtt,
    "tsv": to_tsv,
    "json": to_json,
    "docx": to_docx,
}
"""File name extension → writer."""


def as_bytes(transcript: Transcript, extension: str) -> bytes:
    """The file of a transcript; text is UTF-8."""
    content = FORMATS[extension](transcript)
    return content.encode() if isinstance(content, str) else content


def word_by_word(transcript: Transcript) -> Transcript:
    """The same with a segment for every word, for times of words in any format."""
    words = [
        Segment.of([word], segment.language, segment.speaker)
        for segment in transcript.segments
        for word in segment.words
    ]
    return replace(transcript, segments=tuple(sorted(words, key=lambda word: word.start)))
