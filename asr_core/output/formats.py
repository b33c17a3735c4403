"""Writers of transcripts: text, subtitles, data and documents."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from asr_core.output.subtitles import Cue, make_cues, speaker_label
from asr_core.text.line_breaks import mark_right_to_left
from asr_core.transcript import Segment, Transcript, Word

__all__ = [
    "FORMATS",
    "format_timestamp",
    "parse_timestamp",
    "split_into_words",
    "to_bytes",
    "to_docx",
    "to_json",
    "to_srt",
    "to_tsv",
    "to_txt",
    "to_vtt",
]


def format_timestamp(seconds: float, separator: str = ".") -> str:
    """Return ``HH:MM:SS.mmm``, the notation of subtitle formats."""
    milliseconds = max(0, round(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{separator}{rest % 1000:03}"


def parse_timestamp(text: str) -> float:
    """Return the seconds that ``[[HH:]MM:]SS[.mmm]`` stands for.

    Raises:
        ValueError: ``text`` has another form.
    """
    found = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d*)?)", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a time; write it as 90, 1:30 or 1:02:30")
    hours, minutes, seconds = (float((part or "0").replace(",", ".")) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def to_txt(transcript: Transcript) -> str:
    """Return one line per segment, prefixed with the speaker if known."""
    return "".join(
        f"{speaker_label(segment.speaker)}{_one_line(segment.text)}\n"
        for segment in transcript.segments
        if segment.text
    )


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def to_srt(transcript: Transcript) -> str:
    """Return SubRip subtitles; tag-like text is broken up, as the format has no escaping."""
    return "".join(
        f"{number}\n{format_timestamp(cue.start, ',')} --> {format_timestamp(cue.end, ',')}\n"
        + _srt_text(cue, transcript.language)
        + "\n\n"
        for number, cue in enumerate(make_cues(transcript), 1)
    )


def _srt_text(cue: Cue, language: str | None) -> str:
    first, *rest = cue.lines
    text = "\n".join(mark_right_to_left((cue.label + first, *rest), language))
    return _TAG.sub("\\g<0>\N{WORD JOINER}", text).replace("-->", "→")


_TAG = re.compile(r"<(?=/?(?:[bisu]|font)\b)|\{(?=\\)", re.IGNORECASE)


def to_vtt(transcript: Transcript) -> str:
    """Return WebVTT subtitles, with speakers as voice spans."""
    escape = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
    return "WEBVTT\n\n" + "".join(
        f"{format_timestamp(cue.start)} --> {format_timestamp(cue.end)}\n"
        + (f"<v {cue.speaker.translate(escape)}>" if cue.speaker else "")
        + "\n".join(mark_right_to_left(cue.lines, transcript.language)).translate(escape)
        + "\n\n"
        for cue in make_cues(transcript)
    )


def to_tsv(transcript: Transcript) -> str:
    """Return one row per segment: start and end in milliseconds, text, and any speaker."""
    has_speakers = any(segment.speaker for segment in transcript.segments)
    rows = [["start", "end", "text", "speaker"]]
    for segment in transcript.segments:
        times = [str(round(seconds * 1000)) for seconds in (segment.start, segment.end)]
        rows.append([*times, _one_line(segment.text).replace("\t", " "), segment.speaker or ""])
    return "".join("\t".join(row if has_speakers else row[:3]) + "\n" for row in rows)


def to_json(transcript: Transcript) -> str:
    """Return the whole transcript: language, notes, segments, and words with probabilities."""
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
                "words": [word_to_dict(word) for word in segment.words],
            }
            for segment in transcript.segments
        ],
    }
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def word_to_dict(word: Word) -> dict[str, Any]:
    """Return a word's JSON object."""
    return {
        "text": word.text,
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "probability": round(word.probability, 4),
    }


def to_docx(transcript: Transcript) -> bytes:
    """Return a Word document with one paragraph per segment, its start time in grey."""
    import docx
    from docx.shared import Pt, RGBColor

    document = docx.Document()
    document.core_properties.author = document.core_properties.comments = ""  # the template's
    for segment in transcript.segments:
        paragraph = document.add_paragraph()
        paragraph.paragraph_format.space_after = Pt(6)
        time = paragraph.add_run(f"{format_timestamp(segment.start)[:8]}  ")
        time.font.color.rgb = RGBColor(0x80, 0x80, 0x80)
        if segment.speaker:
            paragraph.add_run(speaker_label(segment.speaker)).bold = True
        paragraph.add_run(_CONTROL.sub("", segment.text))
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")  # not allowed in XML


FORMATS: Mapping[str, Callable[[Transcript], str | bytes]] = {
    "txt": to_txt,
    "srt": to_srt,
    "vtt": to_vtt,
    "tsv": to_tsv,
    "json": to_json,
    "docx": to_docx,
}
"""Writers by file name extension."""


def to_bytes(transcript: Transcript, extension: str) -> bytes:
    """Return the content of a transcript's file, text as UTF-8."""
    content = FORMATS[extension](transcript)
    return content.encode() if isinstance(content, str) else content


def split_into_words(transcript: Transcript) -> Transcript:
    """Return ``transcript`` with one segment per word, for word times in any format."""
    words = [
        Segment.from_words([word], segment.language, segment.speaker)
        for segment in transcript.segments
        for word in segment.words
    ]
    return replace(transcript, segments=tuple(sorted(words, key=lambda word: word.start)))
