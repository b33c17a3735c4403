"""Buttons that download a transcript and its audio."""

from __future__ import annotations

import functools
from collections.abc import Callable

import streamlit as st

from asr_core.audio.encode import to_flac
from asr_core.output.formats import FORMATS, to_bytes
from asr_core.streaming import LiveSession, Recording
from asr_core.transcript import Transcript

__all__ = ["download_buttons", "recording_downloads", "recording_name"]

_MIME = {
    "txt": "text/plain",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "tsv": "text/tab-separated-values",
    "json": "application/json",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


def download_buttons(
    name: str,
    key: str,
    transcript: Callable[[], Transcript],
    session: LiveSession | None = None,
    *,
    row: str | None = None,
) -> None:
    """Draw a row of buttons; a file is made when its button is pressed.

    Args:
        name: file name without extension.
        key: prefix of the buttons' keys.
        transcript: returns the transcript of that moment.
        session: session whose audio can be downloaded, if it was kept.
        row: key of the container.
    """
    with st.container(horizontal=True, gap="small", key=row):
        for extension in FORMATS:
            st.download_button(
                extension.upper(),
                functools.partial(_encode, transcript, extension),
                file_name=f"{name}.{extension}",
                mime=_MIME[extension],
                key=f"save-{key}-{extension}",
                on_click="ignore",
            )
        if session is not None and session.options.keep_audio:
            st.download_button(
                "Audio",
                lambda: to_flac(session.kept_audio()),
                file_name=f"{name}.flac",
                mime="audio/flac",
                key=f"save-{key}-flac",
                on_click="ignore",
                icon=":material/graphic_eq:",
            )


def recording_name(recording: Recording) -> str:
    """Return a recording's name in keys and file names."""
    return f"recording-{recording.number}"


def recording_downloads(recording: Recording, refined: Transcript | None = None) -> str:
    """Draw the downloads of a recording; return the file name without extension.

    Args:
        recording: whose final words so far are saved.
        refined: transcript that is saved instead.
    """
    name = f"{recording_name(recording)}-{recording.started:%Y%m%d-%H%M}"

    def transcript() -> Transcript:
        return refined or recording.session.snapshot.transcript()

    download_buttons(name, name, transcript, recording.session)
    return name


def _encode(transcript: Callable[[], Transcript], extension: str) -> bytes:
    return to_bytes(transcript(), extension)
