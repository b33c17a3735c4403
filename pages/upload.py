"""Upload: record or drop files, read, hear and correct them when they are done."""

import re
import time

import streamlit as st

from asr_core.corrections import corrected
from asr_core.engines import Engine
from asr_core.errors import AudioError
from asr_core.formats import parse_clock, to_vtt
from asr_core.fullcontext import FileOptions, Job, JobQueue, JobState, Stretch
from asr_core.languages import LANGUAGES
from asr_core.transcript import Transcript
from widgets.downloads import download_buttons
from widgets.settings import Settings, current_settings, prepared_engine
from widgets.transcript_editor import transcript_editor
from widgets.transcript_view import growing_view, line_clock

_VIDEO = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".mpeg", ".mpg", ".ogv")


@st.cache_resource(scope="session", show_spinner=False, on_release=lambda queue: queue.clear())
def job_queue() -> JobQueue:
    return JobQueue()


def file_options(settings: Settings) -> FileOptions:
    with st.sidebar:
        st.header("Upload")
        prompt = st.text_input(
            "Names and terms", key="prompt", placeholder="Nagg, Nell, Endgame",
            help="Words that may come up and are easily misheard.",
        )  # fmt: skip
        is_mixed = st.toggle(
            "Several languages in a file", key="mixed", disabled=settings.language is not None,
            help="Detects the language of each passage, not once for the file.",
        )  # fmt: skip
        columns = st.columns(2)
        start = columns[0].text_input("From", key="from", placeholder="0:00")
        end = columns[1].text_input("To", key="to", placeholder="the end")
        stretch = chosen_stretch(start, end)
        st.caption("For files added, or transcribed again, from now on.")
    return FileOptions(settings.language, is_mixed, settings.task, prompt, stretch)


def chosen_stretch(start: str, end: str) -> Stretch:
    try:
        return Stretch(
            parse_clock(start) if start.strip() else 0.0, parse_clock(end) if end.strip() else None
        )
    except (ValueError, AudioError) as error:
        st.error(f"{error}. Until then whole files are transcribed.".replace("..", "."))
        return Stretch()


def add_jobs(queue: JobQueue, engine: Engine | None, model: str, options: FileOptions) -> None:
    recorded = st.audio_input("Record", key="recorded")
    dropped = st.file_uploader(
        "Or drop audio and video files", accept_multiple_files=True, key="dropped",
        help="WAV, MP3, M4A, FLAC, OGG, WebM, WMA, AMR, MP4 and whatever else FFmpeg reads.",
    )  # fmt: skip
    if engine is None:
        return  # a file that waits in the uploader is added when there is one
    done = st.session_state.setdefault("added", set())
    for file in [*([recorded] if recorded else []), *dropped]:
        if file.file_id not in done:
            done.add(file.file_id)
            name = "Recording" if file is recorded else file.name
            queue.add(Job(file.file_id, name, file.getvalue(), engine, model, options))


def player_key(job: Job) -> str:
    """As Streamlit writes it into the page, where the editor looks for it."""
    return "player-" + re.sub("[^a-zA-Z0-9]", "-", job.key)


def draw_player(job: Job, shown: Transcript | None = None) -> None:
    """``shown`` stands in the picture of a video."""
    with st.container(key=player_key(job)):
        if job.name.lower().endswith(_VIDEO):
            subtitles = {"Subtitles": to_vtt(shown).encode()} if shown and shown.segments else None
            st.video(job.data, subtitles=subtitles)
        elif job.state is not JobState.FAILED:
            st.audio(job.data)


def draw_running(job: Job) -> None:
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
        job.cancel.set()
    if job.progress is not None:
        growing_view(job.key, job.progress.segments)


@st.fragment
def draw_done(job: Job) -> None:
    heard = job.transcript
    assert heard is not None
    texts: dict[int, str] = st.session_state.setdefault(f"texts-{job.key}", {})
    shown = corrected(heard, texts)
    draw_player(job, shown)
    for note in heard.notes:
        st.warning(note, icon=":material/warning:")
    st.caption(summary(job, heard))
    transcript_editor(job.key, heard, texts, shown, player_key(job))
    download_buttons(job.name.rsplit(".", 1)[0], job.key, shown)


def summary(job: Job, heard: Transcript) -> str:
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


def draw(job: Job) -> bool:
    """True if the file is to be transcribed once more."""
    with st.container(border=True):
        title, button = st.columns([4, 1], vertical_alignment="center")
        title.subheader(job.name, anchor=False)
        again = job.is_over and button.button(
            "Again", key=f"again-{job.key}", icon=":material/replay:", width="stretch",
            help="Transcribe once more, with what the sidebar says now; this one stays.",
        )  # fmt: skip
        if job.state is JobState.DONE:
            draw_done(job)
        else:
            draw_player(job)
            if job.is_over:
                st.error(job.error, icon=":material/error:")
            else:
                st.fragment(run_every=0.5)(draw_running)(job)
    return again


st.title("Upload and read", anchor=False)
settings = current_settings()
engine = prepared_engine(settings)
queue = job_queue()
options = file_options(settings)
add_jobs(queue, engine, settings.model, options)
for job in reversed(queue.jobs):
    if draw(job) and engine is not None:
        key = f"{job.key}-{len(queue.jobs)}"
        queue.add(Job(key, job.name, job.data, engine, settings.model, options))
        st.rerun()
if queue.jobs and st.button("Clear", icon=":material/delete:", help="Forget all transcripts"):
    queue.clear()
    st.rerun()
