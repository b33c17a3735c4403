"""A file on the upload page: waiting, being transcribed, failed, or to be read."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import streamlit as st

from asr_core.corrections import corrected
from asr_core.formats import to_vtt
from asr_core.fullcontext import FileOptions, Job, JobQueue, JobState
from asr_core.languages import LANGUAGES
from asr_core.transcript import Transcript
from widgets.downloads import download_buttons
from widgets.texts import as_written
from widgets.transcript_editor import transcript_editor
from widgets.transcript_view import growing_view, line_clock
from widgets.workspace import player_source

__all__ = ["file_card"]

_VIDEO = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".mpeg", ".mpg", ".ogv")


def _place(what: str, job: Job) -> str:
    """Return a container's key as Streamlit writes it into the page, where the editor looks."""
    return f"{what}-" + re.sub("[^a-zA-Z0-9]", "-", job.key)


def _player(job: Job, shown: Transcript | None = None) -> None:
    """``shown`` stands in the picture of a video."""
    with st.container(key=_place("player", job)):
        if job.name.lower().endswith(_VIDEO) and job.player is None:
            subtitles = {"Subtitles": to_vtt(shown).encode()} if shown and shown.segments else None
            st.video(player_source(job), subtitles=subtitles)
        elif job.state is not JobState.FAILED or job.transcript is not None:
            st.audio(player_source(job))


def _running(queue: JobQueue, job: Job) -> None:
    """Drawn again while the job runs; when it ends, the page around it follows."""
    if job.is_over:
        st.rerun()
    left = job.seconds_left(time.monotonic())
    if job.state is JobState.WAITING:
        text = "Waiting for its turn"
    else:
        text = f"{job.share:.0%}" + (f" · about {left:.0f} s left" if left is not None else "")
    st.progress(job.share, text)
    if st.button("Cancel", key=f"cancel-{job.key}", icon=":material/close:"):
        queue.cancel(job)
    if job.progress is not None:
        progress = job.progress
        growing_view(job.key, progress.transcript.segments[: progress.n_settled])


@st.fragment
def _done(job: Job) -> None:
    heard = job.transcript
    assert heard is not None
    texts = job.corrections
    shown = corrected(heard, texts)
    _player(job, shown)
    if job.error:
        st.warning(
            as_written(f"{job.error} Below is what was heard up to {line_clock(heard.duration)}."),
            icon=":material/warning:",
        )
    for note in heard.notes:
        st.warning(as_written(note), icon=":material/warning:")
    st.caption(as_written(_summary(job, heard)))
    if not heard.segments:
        st.info("No speech was heard in this file.", icon=":material/hearing_disabled:")
        return
    saves = _place("saves", job)
    transcript_editor(job.key, heard, texts, shown, _place("player", job), saves)
    name = job.name.rsplit(".", 1)[0]
    download_buttons(name, job.key, lambda: corrected(heard, dict(texts)), row=saves)
    from widgets.flagging import flag_transcript  # not before: it brings the database along

    flag_transcript(job, heard, shown)


def _summary(job: Job, heard: Transcript) -> str:
    """How long, in which language, by which model."""
    found = {segment.language for segment in heard.segments if segment.language}
    if found:
        language = ", ".join(sorted(LANGUAGES[code] for code in found))
    else:
        language = LANGUAGES.get(heard.language or "", "no speech")
        if heard.language is not None and job.options.language is None:
            language += f" ({heard.language_probability:.0%})"
    stretch = job.options.stretch
    of_it = f" from {line_clock(stretch.start_s)}" if stretch.start_s else ""
    return f"{line_clock(heard.duration)}{of_it} · {language} · {job.model}"


def _chosen_track(job: Job) -> int | None:
    """Draw a picker if the file has several sound tracks; None for the automatic choice."""
    names = job.transcript.tracks if job.transcript is not None else ()
    if not names:
        return None
    return st.selectbox(
        "Sound track", [None, *range(1, len(names) + 1)], key=f"track-{job.key}",
        index=job.options.track or 0,
        format_func=lambda n: names[n - 1].replace("t", "T", 1) if n else "Automatic",
        help="Again transcribes this one.",
    )  # fmt: skip


def file_card(queue: JobQueue, job: Job, options: FileOptions) -> FileOptions | None:
    """Draw a file of the queue, whatever its state.

    Returns:
        What of ``options`` it is to be transcribed with once more; None if it isn't.
    """
    with st.container(border=True):
        title, button = st.columns([4, 1], vertical_alignment="center")
        title.subheader(as_written(job.name), anchor=False)
        again = job.is_over and button.button(
            "Again", key=f"again-{job.key}", icon=":material/replay:", width="stretch",
            help="Transcribe once more, with what the sidebar says now; this one stays.",
        )  # fmt: skip
        track = _chosen_track(job) if job.is_over else None
        if job.is_over and job.transcript is not None:
            _done(job)
        else:
            _player(job)
            if job.is_over:
                show = st.info if job.state is JobState.CANCELLED else st.error
                show(as_written(job.error or ""), icon=":material/error:")
            else:
                st.fragment(run_every=0.5)(_running)(queue, job)
    return replace(options, track=track) if again else None
