"""A transcript as text, subtitles or data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from asr_core.subtitles import cues
from asr_core.transcript import Segment, Transcript, Word

__all__ = ["FORMATS", "clock", "to_json", "to_srt", "to_tsv", "to_txt", "to_vtt", "word_by_word"]


def clock(seconds: float, separator: str = ".") -> str:
    """``HH:MM:SS.mmm``, as subtitle formats write time."""
    milliseconds = max(0, round(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{separator}{rest % 1000:03}"


def to_txt(transcript: Transcript) -> str:
    """One line a segment."""
    return "".join(f"{segment.text}\n" for segment in transcript.segments)


def to_srt(transcript: Transcript) -> str:
    """SubRip."""
    return "".join(
        f"{number}\n{clock(cue.start, ',')} --> {clock(cue.end, ',')}\n"
        + "\n".join(cue.lines)
        + "\n\n"
        for number, cue in enumerate(cues(transcript), 1)
    )


def to_vtt(transcript: Transcript) -> str:
    """WebVTT; its three special characters are escaped."""
    escape = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
    return "WEBVTT\n\n" + "".join(
        f"{clock(cue.start)} --> {clock(cue.end)}\n"
        + "\n".join(cue.lines).translate(escape)
        + "\n\n"
        for cue in cues(transcript)
    )


def to_tsv(transcript: Transcript) -> str:
    """Start and end in milliseconds, and the text, a line a segment."""
    lines = [
        f"{round(segment.start * 1000)}\t{round(segment.end * 1000)}\t"
        + segment.text.replace("\t", " ")
        for segment in transcript.segments
    ]
    return "\n".join(["start\tend\ttext", *lines]) + "\n"


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


FORMATS: Mapping[str, Callable[[Transcript], str]] = {
    "txt": to_txt,
    "srt": to_srt,
    "vtt": to_vtt,
    "tsv": to_tsv,
    "json": to_json,
}
"""File name extension → writer."""


def word_by_word(transcript: Transcript) -> Transcript:
    """The same with a segment for every word, for times of words in any format."""
    return replace(transcript, segments=tuple(Segment.of([word]) for word in transcript.words))
