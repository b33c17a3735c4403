"""Upload: record or drop files, read, hear and correct them when they are done."""

import itertools

import streamlit as st

from asr_core.engines import Engine
from asr_core.errors import LimitError
from asr_core.fullcontext import FileOptions, Job, JobQueue
from widgets.file_card import file_card
from widgets.file_settings import file_options
from widgets.settings import current_settings, prepared_engine
from widgets.texts import as_written
from widgets.workspace import current_workspace, forget_upload, kept_caption, stored_upload


def add_jobs(queue: JobQueue, engine: Engine | None, model: str, options: FileOptions) -> None:
    recorded = st.audio_input("Record", key="recorded")
    dropped = st.file_uploader(
        "Or drop audio and video files", accept_multiple_files=True, key="dropped",
        help="WAV, MP3, M4A, FLAC, OGG, WebM, WMA, AMR, MP4 and whatever else FFmpeg reads.",
    )  # fmt: skip
    if engine is None:
        return  # a file that waits in the uploader is added when there is one
    done = st.session_state.setdefault("added", set())
    new = []
    for file in [*([recorded] if recorded else []), *dropped]:
        if file.file_id not in done:
            done.add(file.file_id)
            name = "Recording" if file is recorded else file.name
            try:
                stored = stored_upload(file)
            except LimitError as error:
                st.error(as_written(str(error)), icon=":material/error:")
                continue
            forget_upload(file)
            new.append(Job(file.file_id, name, stored, engine, model, options))
    queue.add(*new)


@st.dialog("Forget all transcripts?")
def confirm_clear(queue: JobQueue) -> None:
    st.write("You have corrected lines. They will be gone, with all transcripts on this page.")
    row = st.container(horizontal=True)
    if row.button("Forget them", type="primary", icon=":material/delete:"):
        queue.clear()
        st.rerun()
    if row.button("Keep them"):
        st.rerun()


st.title("Upload and read", anchor=False)
settings = current_settings()
engine = prepared_engine(settings)
queue = current_workspace().files
options = file_options(settings)
add_jobs(queue, engine, settings.model, options)
if queue.jobs:
    kept_caption()
for job in itertools.chain.from_iterable(reversed(queue.batches)):
    wanted = file_card(queue, job, options)
    if wanted is not None and engine is not None:
        key = f"{job.key}-{len(queue.jobs)}"
        queue.add(Job(key, job.name, job.file, engine, settings.model, wanted))
        st.rerun()
if queue.jobs and st.button("Clear", icon=":material/delete:", help="Forget all transcripts"):
    if any(job.corrections for job in queue.jobs):
        confirm_clear(queue)
    else:
        queue.clear()
        st.rerun()
