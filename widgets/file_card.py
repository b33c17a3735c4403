"""Card of a file on the upload page, in each of its states."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import streamlit as st

from asr_core.full_context import FileOptions, Job, JobQueue, JobState
from asr_core.languages import LANGUAGES
from asr_core.output.corrections import apply_corrections
from asr_core.output.formats import to_vtt
from asr_core.transcript import Transcript
from widgets.downloads import download_buttons
from widgets.markdown import escape_markdown
from widgets.transcript_editor import transcript_editor
from widgets.transcript_view import format_clock, growing_view
from widgets.workspace import player_url

__all__ = ["file_card"]

_VIDEO = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".mpeg", ".mpg", ".ogv")


def _container_key(prefix: str, job: Job) -> str:
    """Return a container's key in the form that Streamlit gives it in the page's classes."""
    return f"{prefix}-" + re.sub("[^a-zA-Z0-9]", "-", job.key)


def _player(job: Job, corrected: Transcript | None = None) -> None:
    """Draw the player; a video shows ``corrected`` as subtitles."""
    with st.container(key=_container_key("player", job)):
        if job.name.lower().endswith(_VIDEO) and job.playback_copy is None:
            vtt = to_vtt(corrected).encode() if corrected and corrected.segments else None
            st.video(player_url(job), subtitles={"Subtitles": vtt} if vtt else None)
        elif job.state is not JobState.FAILED or job.transcript is not None:
            st.audio(player_url(job))


def _running(queue: JobQueue, job: Job) -> None:
    """Draw a job's progress, and rerun the page when it ends."""
    if job.is_over:
        st.rerun()
    left = job.seconds_left(time.monotonic())
    if job.state is JobState.WAITING:
        text = "Waiting"
    else:
        text = f"{job.fraction_done:.0%}" + (
            f" · about {left:.0f} s left" if left is not None else ""
        )
    st.progress(job.fraction_done, text)
    if st.button("Cancel", key=f"cancel-{job.key}", icon=":material/close:"):
        queue.cancel(job)
    if job.progress is not None:
        progress = job.progress
        growing_view(job.key, progress.transcript.segments[: progress.n_final_segments])


@st.fragment
def _done(job: Job) -> None:
    original = job.transcript
    assert original is not None
    texts = job.corrections
    corrected = apply_corrections(original, texts)
    _player(job, corrected)
    if job.error:
        st.warning(
            escape_markdown(
                f"{job.error} The transcript up to {format_clock(original.duration)} is below."
            ),
            icon=":material/warning:",
        )
    for note in original.notes:
        st.warning(escape_markdown(note), icon=":material/warning:")
    st.caption(escape_markdown(_summary(job, original)))
    if not original.segments:
        st.info("No speech was recognised in this file.", icon=":material/hearing_disabled:")
        return
    downloads = _container_key("downloads", job)
    player = _container_key("player", job)
    transcript_editor(job.key, original, texts, corrected, player, downloads)
    name = job.name.rsplit(".", 1)[0]
    download_buttons(name, job.key, lambda: apply_corrections(original, dict(texts)), row=downloads)
    from widgets.flagging import flag_transcript  # imports the database

    flag_transcript(job, original, corrected)


def _summary(job: Job, original: Transcript) -> str:
    """Return length, language and model."""
    found = {segment.language for segment in original.segments if segment.language}
    if found:
        language = ", ".join(sorted(LANGUAGES[code] for code in found))
    else:
        language = LANGUAGES.get(original.language or "", "no speech")
        if original.language is not None and job.options.language is None:
            language += f" ({original.language_probability:.0%})"
    time_range = job.options.time_range
    start = f" from {format_clock(time_range.start_s)}" if time_range.start_s else ""
    return f"{format_clock(original.duration)}{start} · {language} · {job.model}"


def _chosen_track(job: Job) -> int | None:
    """Draw a picker if the file has several tracks; return None for the automatic choice."""
    names = job.transcript.tracks if job.transcript is not None else ()
    if not names:
        return None
    track: int | None = st.selectbox(
        "Sound track", [None, *range(1, len(names) + 1)], key=f"track-{job.key}",
        index=job.options.track or 0,
        format_func=lambda n: names[n - 1].replace("t", "T", 1) if n else "Automatic",
        help="Press Again to transcribe this track.",
    )  # fmt: skip
    return track


def file_card(queue: JobQueue, job: Job, options: FileOptions) -> FileOptions | None:
    """Draw a file of the queue.

    Returns:
        The options to transcribe it again with, if that was asked for.
    """
    with st.container(border=True):
        title, button = st.columns([4, 1], vertical_alignment="center")
        title.subheader(escape_markdown(job.name), anchor=False)
        again = job.is_over and button.button(
            "Again", key=f"again-{job.key}", icon=":material/replay:", width="stretch",
            help="Transcribe again with the sidebar's current settings. This transcript stays.",
        )  # fmt: skip
        track = _chosen_track(job) if job.is_over else None
        if job.is_over and job.transcript is not None:
            _done(job)
        else:
            _player(job)
            if job.is_over:
                show = st.info if job.state is JobState.CANCELLED else st.error
                show(escape_markdown(job.error or ""), icon=":material/error:")
            else:
                st.fragment(run_every=0.5)(_running)(queue, job)
    return replace(options, track=track) if again else None
