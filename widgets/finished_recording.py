"""Finished recording with its transcript and its downloads."""

from __future__ import annotations

import streamlit as st

from asr_core.streaming import Recording
from widgets.downloads import recording_downloads, recording_name
from widgets.markdown import escape_markdown
from widgets.microphone import loss_notice
from widgets.refinement import refinement_progress, shown_transcript
from widgets.settings import current_settings
from widgets.transcript_view import finished_view

__all__ = ["draw_finished"]

_NO_SPEECH = "No speech was recognised in this recording."


def draw_finished(recording: Recording) -> None:
    """Draw a finished recording with its downloads."""
    snapshot = recording.session.snapshot
    title = f"Recording {recording.number}"
    st.subheader(f"{title} · {recording.started:%H:%M}", anchor=False)
    if recording.is_refining:
        refinement_progress(recording)
    shown = shown_transcript(recording)
    finished_view(
        recording_name(recording),
        shown.transcript.segments,
        _NO_SPEECH,
        shown.version,
        shown.changed,
    )
    if snapshot.error:
        st.warning(escape_markdown(snapshot.error), icon=":material/warning:")
    loss_notice(recording)
    from widgets.flagging import flag_recording  # imports the database

    file_name = recording_downloads(recording, shown.transcript)
    model = current_settings().model
    flag_recording(file_name, title, recording.session, shown.transcript, model)
