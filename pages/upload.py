"""Upload page: record or add files; read, play and correct their transcripts."""

import itertools

import streamlit as st

from asr_core.engines import Engine
from asr_core.errors import LimitError
from asr_core.full_context import FileOptions, Job, JobQueue
from widgets.file_card import file_card
from widgets.file_settings import file_options
from widgets.markdown import escape_markdown
from widgets.settings import current_settings, load_chosen_engine
from widgets.workspace import current_workspace, release_upload, retention_caption, stored_upload


def add_jobs(queue: JobQueue, engine: Engine | None, model: str, options: FileOptions) -> None:
    """Draw the recorder and the uploader, and queue what is new in them."""
    recorded = st.audio_input("Record", key="recorded")
    dropped = st.file_uploader(
        "Or drop audio and video files", accept_multiple_files=True, key="dropped",
        help="WAV, MP3, M4A, FLAC, OGG, WebM, WMA, AMR, MP4 and every other format FFmpeg reads.",
    )  # fmt: skip
    if engine is None:
        return  # files stay in the uploader until there is an engine
    done = st.session_state.setdefault("added", set())
    new = []
    for file in [*([recorded] if recorded else []), *dropped]:
        if file.file_id not in done:
            done.add(file.file_id)
            name = "Recording" if file is recorded else file.name
            try:
                stored = stored_upload(file)
            except LimitError as error:
                st.error(escape_markdown(str(error)), icon=":material/error:")
                continue
            release_upload(file)
            new.append(Job(file.file_id, name, stored, engine, model, options))
    queue.add(*new)


@st.dialog("Delete all transcripts?")
def confirm_clear(queue: JobQueue) -> None:
    """Draw the question before corrections are deleted."""
    st.write("All transcripts on this page will be deleted, including your corrections.")
    row = st.container(horizontal=True)
    if row.button("Delete them", type="primary", icon=":material/delete:"):
        queue.clear()
        st.rerun()
    if row.button("Keep them"):
        st.rerun()


st.title("Upload and read", anchor=False)
settings = current_settings()
engine = load_chosen_engine(settings)
queue = current_workspace().files
options = file_options(settings)
add_jobs(queue, engine, settings.model, options)
if queue.jobs:
    retention_caption()
for job in itertools.chain.from_iterable(reversed(queue.batches)):
    again = file_card(queue, job, options)
    if again is not None and engine is not None:
        key = f"{job.key}-{len(queue.jobs)}"
        queue.add(Job(key, job.name, job.file, engine, settings.model, again))
        st.rerun()
if queue.jobs and st.button("Clear", icon=":material/delete:", help="Delete all transcripts"):
    if any(job.corrections for job in queue.jobs):
        confirm_clear(queue)
    else:
        queue.clear()
        st.rerun()
