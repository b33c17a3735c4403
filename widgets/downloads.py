"""Buttons to save a transcript and its recording."""

from __future__ import annotations

import functools
from collections.abc import Callable

import streamlit as st

from asr_core.audio.encode import to_flac
from asr_core.formats import FORMATS, as_bytes
from asr_core.live import LiveSession, Take
from asr_core.transcript import Transcript

__all__ = ["download_buttons", "name_of", "take_downloads"]

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
    """A row of buttons; the files are made when one is pressed.

    Args:
        name: of the files, without extension.
        transcript: as it is at that moment.
        session: whose recording can be saved, if it was kept.
        row: key of the container.
    """
    with st.container(horizontal=True, gap="small", key=row):
        for extension in FORMATS:
            st.download_button(
                extension.upper(),
                functools.partial(_made, transcript, extension),
                file_name=f"{name}.{extension}",
                mime=_MIME[extension],
                key=f"save-{key}-{extension}",
                on_click="ignore",
            )
        if session is not None and session.options.keep_recording:
            st.download_button(
                "Recording",
                lambda: to_flac(session.recording()),
                file_name=f"{name}.flac",
                mime="audio/flac",
                key=f"save-{key}-flac",
                on_click="ignore",
                icon=":material/graphic_eq:",
            )


def name_of(take: Take) -> str:
    """Return what a take is called in keys and files."""
    return f"take-{take.number}"


def take_downloads(take: Take) -> str:
    """Draw the downloads of what is final of a take by the press; return what the files are called."""
    name = f"{name_of(take)}-{take.started:%Y%m%d-%H%M}"

    def transcript() -> Transcript:
        return take.session.snapshot.transcript()

    download_buttons(name, name, transcript, take.session)
    return name


def _made(transcript: Callable[[], Transcript], extension: str) -> bytes:
    return as_bytes(transcript(), extension)
