"""Ways into the test set: read a sentence aloud, upload, import."""

from __future__ import annotations

from pathlib import PurePosixPath

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from asr_core.languages import LANGUAGES
from asr_core.plain_text import plain
from asr_core.testbench.archives import opened_zip
from asr_core.testbench.cases import MAX_CASE_S, MAX_SAID, NewCase
from asr_core.testbench.imports import import_set
from asr_core.testbench.prompts import PROMPT_LISTS
from asr_core.testbench.set_files import Files
from asr_core.testbench.store import Store
from widgets.testbench.opened import samples_of_upload, saying_errors, tag_fields
from widgets.texts import as_written
from widgets.typed import KEPT, forget_typed, typed
from widgets.workspace import forget_upload, stored_upload

__all__ = ["new_cases"]

_FREE = "Words of your own"
_FILES, _EARLIER, _CHOSEN = "case-files", "case-files-earlier", "case-files-chosen"


def new_cases(store: Store) -> None:
    """Draw the three ways."""
    record, upload, import_ = st.tabs(["Read aloud", "Upload", "Import a set"])
    with record:
        _record(store)
    with upload:
        _upload(store)
    with import_:
        _import(store)


def _language(key: str) -> str:
    codes = list(LANGUAGES)
    return st.selectbox(
        "Language", codes, codes.index("en"), LANGUAGES.__getitem__, key=f"{key}-language",
        persist_state=KEPT,
    )  # fmt: skip


def _stored(n: int) -> None:
    st.toast(
        f"{n} recording{'s' if n != 1 else ''} stored in the test set.", icon=":material/check:"
    )


def _record(store: Store) -> None:
    sentences = st.selectbox(
        "Sentences", [*PROMPT_LISTS, _FREE], key="prompt-list", persist_state=KEPT
    )
    n_read = st.session_state.setdefault("n-read", 0)
    if sentences == _FREE:
        said = st.text_area(
            "What you are going to say", max_chars=MAX_SAID, key=typed(f"free-{n_read}"),
            persist_state=KEPT,
        ).strip()  # fmt: skip
        language = _language("record")
    else:
        chosen = PROMPT_LISTS[sentences]
        said, language = chosen[n_read % len(chosen)], "en"
        st.caption(f"Sentence {n_read % len(chosen) + 1} of {len(chosen)}: read it aloud.")
        st.markdown(f"### {as_written(said)}")
    sound = st.audio_input("Record", key=f"record-{n_read}", label_visibility="collapsed")
    with saying_errors():
        tags = tag_fields("record")
        buttons = st.container(horizontal=True)
        ready = sound is not None and bool(said)
        if buttons.button(
            "Store in the test set", type="primary", disabled=not ready, icon=":material/save:"
        ):
            assert sound is not None
            samples = samples_of_upload(sound, "the recording", MAX_CASE_S)
            store.add_case(NewCase(said[:60], said, samples, language, tags))
            _stored(1)
            forget_typed(f"free-{n_read}")
            st.session_state["n-read"] += 1
            st.rerun()
        if sentences != _FREE and buttons.button("Skip", icon=":material/skip_next:"):
            st.session_state["n-read"] += 1
            st.rerun()


def _chosen_files() -> list[UploadedFile]:
    """Draw the uploader; return what was dropped, also before another page was drawn.

    The uploader begins empty when it is drawn again. What it had then is listed below it.
    """
    if _FILES not in st.session_state:
        st.session_state[_EARLIER] = st.session_state.get(_CHOSEN, [])
    dropped = st.file_uploader(
        "Recordings whose words you know", accept_multiple_files=True, key=_FILES
    )
    chosen = st.session_state[_CHOSEN] = [*st.session_state[_EARLIER], *dropped]
    return chosen


def _said_in(file: UploadedFile) -> str:
    """Draw the field for the words of a file."""
    st.caption(as_written(file.name))
    row = st.container(horizontal=True, vertical_alignment="center")
    said = row.text_input(
        f"What is said in {plain(file.name)}", key=typed(f"upload-said-{file.file_id}"),
        max_chars=MAX_SAID, placeholder="What is said", persist_state=KEPT,
        label_visibility="collapsed",
    )  # fmt: skip
    earlier = st.session_state[_EARLIER]
    if file in earlier and row.button(
        "Remove", key=f"upload-remove-{file.file_id}", icon=":material/close:"
    ):
        st.session_state[_EARLIER] = [other for other in earlier if other is not file]
        forget_upload(file)
        st.rerun()
    return said.strip()


def _upload(store: Store) -> None:
    files = _chosen_files()
    if not files:
        return
    st.caption("Write what is said in each; leave it empty where nobody speaks.")
    texts = [_said_in(file) for file in files]
    language = _language("upload")
    with saying_errors():
        tags = tag_fields("upload")
        if st.button("Store these in the test set", type="primary", icon=":material/save:"):
            n_stored = 0
            for file, said in zip(files, texts, strict=True):
                with saying_errors():
                    samples = samples_of_upload(file, file.name, MAX_CASE_S)
                    store.add_case(
                        NewCase(PurePosixPath(file.name).stem, said, samples, language, tags)
                    )
                    n_stored += 1
            _stored(n_stored)


def _import(store: Store) -> None:
    st.caption(
        "A table (CSV, TSV or JSONL) with a column for the file and one for its words, and the "
        "recordings beside it. Other columns become tags: *accent*, *speaker* … Sets of Common "
        "Voice, LJ Speech, LibriSpeech and Kaldi are read as they are unpacked."
    )
    folder = st.file_uploader(
        "Folder, as Hugging Face's audiofolder or NeMo write it",
        accept_multiple_files="directory", key="case-folder",
    )  # fmt: skip
    packed = st.file_uploader("Or the same as a ZIP", type="zip", key="case-zip")
    language = _language("import")
    if st.button(
        "Store them in the test set", type="primary", icon=":material/save:",
        disabled=not (folder or packed),
    ):  # fmt: skip
        with saying_errors():
            if packed is not None:
                stored = stored_upload(packed)
                with opened_zip(stored.path) as files:
                    _imported(store, files, language)
            else:
                _imported(
                    store, {f.name: lambda f=f: stored_upload(f).open() for f in folder}, language
                )


def _imported(store: Store, files: Files, language: str) -> None:
    """Store a set and say what became of it."""
    bar = st.progress(0.0, "Reading …")

    def progress(i: int, n: int) -> None:
        if i == n or i % max(1, n // 100) == 0:  # not a message to the browser for each line
            bar.progress(i / n, f"{i} of {n}")

    found = import_set(store.add_case, files, language, progress)
    bar.empty()
    _stored(found.n_stored)
    st.success(f"{found.n_stored} of {found.n_lines} recordings are in the test set.")
    for note in found.notes:
        st.info(as_written(note))
    if found.problems:
        some = "\n".join(f"- {as_written(problem)}" for problem in found.problems)
        st.warning(f"{found.n_problems} could not be used:\n{some}")
