"""Upload: record or drop files, and read them when they are done."""

import time

import streamlit as st

from asr_core.engines import Engine
from asr_core.fullcontext import Job, JobQueue, JobState
from asr_core.languages import LANGUAGES
from widgets.downloads import download_buttons
from widgets.settings import current_settings, prepared_engine
from widgets.transcript_view import finished_view

_VIDEO = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".mpeg", ".mpg", ".ogv")


@st.cache_resource(scope="session", show_spinner=False, on_release=lambda queue: queue.clear())
def job_queue() -> JobQueue:
    return JobQueue()


def add_jobs(queue: JobQueue, engine: Engine) -> None:
    settings = current_settings()
    with st.sidebar:
        st.header("Upload")
        prompt = st.text_input(
            "Names and terms", key="prompt", placeholder="Nagg, Nell, Endgame",
            help="Words that may come up and are easily misheard; for files added from now on.",
        )  # fmt: skip
    recorded = st.audio_input("Record", key="recorded")
    dropped = st.file_uploader(
        "Or drop audio and video files", accept_multiple_files=True, key="dropped",
        help="WAV, MP3, M4A, FLAC, OGG, WebM, WMA, AMR, MP4 and whatever else FFmpeg reads.",
    )  # fmt: skip
    done = st.session_state.setdefault("added", set())
    for file in [*([recorded] if recorded else []), *dropped]:
        if file.file_id not in done:
            done.add(file.file_id)
            name = "Recording" if file is recorded else file.name
            data = file.getvalue()
            queue.add(
                Job(file.file_id, name, data, engine, settings.language, settings.task, prompt)
            )


def draw_running(job: Job) -> None:
    left = job.seconds_left(time.monotonic())
    if job.state is JobState.WAITING:
        text = "Waiting for its turn"
    else:
        text = f"{job.share:.0%}" + (f" · about {left:.0f} s left" if left is not None else "")
    st.progress(job.share, text)
    if st.button("Cancel", key=f"cancel-{job.key}", icon=":material/close:"):
        job.cancel.set()


def draw_done(job: Job) -> None:
    transcript = job.transcript
    assert transcript is not None
    for note in transcript.notes:
        st.warning(note, icon=":material/warning:")
    language = LANGUAGES.get(transcript.language or "", "no speech")
    if transcript.language is not None and job.language is None:
        language += f" ({transcript.language_probability:.0%})"
    st.caption(f"{transcript.duration:.0f} s · {language}")
    finished_view(job.key, transcript.segments, "No speech was heard in this file.")
    download_buttons(job.name.rsplit(".", 1)[0], job.key, transcript)


def draw(job: Job) -> None:
    with st.container(border=True):
        st.subheader(job.name, anchor=False)
        if job.name.lower().endswith(_VIDEO):
            st.video(job.data)
        elif job.state is not JobState.FAILED:
            st.audio(job.data)
        if job.state is JobState.DONE:
            draw_done(job)
        elif job.is_over:
            st.error(job.error, icon=":material/error:")
        else:
            draw_running(job)
            if job.progress is not None:
                finished_view(f"{job.key}-{len(job.progress.segments)}", job.progress.segments, "")


def draw_all(queue: JobQueue, n_over: int) -> None:
    """Drawn again while a job runs; when one ends, the page around it follows."""
    jobs = queue.jobs
    if sum(job.is_over for job in jobs) != n_over:
        st.rerun()
    for job in reversed(jobs):
        draw(job)


st.title("Upload and read", anchor=False)
engine = prepared_engine(current_settings())
if engine is not None:
    queue = job_queue()
    add_jobs(queue, engine)
    n_over = sum(job.is_over for job in queue.jobs)
    st.fragment(run_every=0.5 if queue.is_busy else None)(draw_all)(queue, n_over)
    if queue.jobs and st.button("Clear", icon=":material/delete:", help="Forget all transcripts"):
        queue.clear()
        st.rerun()
