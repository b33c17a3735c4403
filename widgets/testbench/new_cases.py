"""Forms that add to the test set: read aloud, upload, import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import BinaryIO

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from asr_core.evaluation.archives import open_zip
from asr_core.evaluation.cases import MAX_CASE_S, MAX_REFERENCE, NewCase
from asr_core.evaluation.imports import import_set
from asr_core.evaluation.prompts import PROMPT_LISTS
from asr_core.evaluation.set_files import Files
from asr_core.evaluation.store import Store
from asr_core.languages import LANGUAGES
from asr_core.text.plain_text import sanitise
from widgets.markdown import escape_markdown
from widgets.testbench.store_access import decode_upload, show_errors, tag_fields
from widgets.text_fields import PERSIST, field_key, forget_field
from widgets.workspace import release_upload, stored_upload

__all__ = ["new_cases"]

_FREE = "Your own text"
_FILES_KEY, _EARLIER_KEY, _CHOSEN_KEY = "case-files", "case-files-earlier", "case-files-chosen"


def new_cases(store: Store) -> None:
    """Draw the three forms."""
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
        persist_state=PERSIST,
    )  # fmt: skip


def _toast_stored(n: int) -> None:
    st.toast(
        f"{n} recording{'s' if n != 1 else ''} stored in the test set.", icon=":material/check:"
    )


def _record(store: Store) -> None:
    sentences = st.selectbox(
        "Sentences", [*PROMPT_LISTS, _FREE], key="prompt-list", persist_state=PERSIST
    )
    n_read = st.session_state.setdefault("n-read", 0)
    if sentences == _FREE:
        reference = st.text_area(
            "Text to read", max_chars=MAX_REFERENCE, key=field_key(f"free-{n_read}"),
            persist_state=PERSIST,
        ).strip()  # fmt: skip
        language = _language("record")
    else:
        chosen = PROMPT_LISTS[sentences]
        reference, language = chosen[n_read % len(chosen)], "en"
        st.caption(f"Sentence {n_read % len(chosen) + 1} of {len(chosen)}: read it aloud.")
        st.markdown(f"### {escape_markdown(reference)}")
    recorded = st.audio_input("Record", key=f"record-{n_read}", label_visibility="collapsed")
    with show_errors():
        tags = tag_fields("record")
        buttons = st.container(horizontal=True)
        ready = recorded is not None and bool(reference)
        if buttons.button(
            "Store in the test set", type="primary", disabled=not ready, icon=":material/save:"
        ):
            assert recorded is not None
            samples = decode_upload(recorded, "the recording", MAX_CASE_S)
            store.add_case(NewCase(reference[:60], reference, samples, language, tags))
            _toast_stored(1)
            forget_field(f"free-{n_read}")
            st.session_state["n-read"] += 1
            st.rerun()
        if sentences != _FREE and buttons.button("Skip", icon=":material/skip_next:"):
            st.session_state["n-read"] += 1
            st.rerun()


def _chosen_files() -> list[UploadedFile]:
    """Draw the uploader and return its files, including those from before another page.

    The uploader is empty when it is drawn again; earlier files are listed below it.
    """
    if _FILES_KEY not in st.session_state:
        st.session_state[_EARLIER_KEY] = st.session_state.get(_CHOSEN_KEY, [])
    dropped = st.file_uploader(
        "Recordings with known words", accept_multiple_files=True, key=_FILES_KEY
    )
    chosen = st.session_state[_CHOSEN_KEY] = [*st.session_state[_EARLIER_KEY], *dropped]
    return chosen


def _reference_field(file: UploadedFile) -> str:
    """Draw the field for a file's reference and return it."""
    st.caption(escape_markdown(file.name))
    row = st.container(horizontal=True, vertical_alignment="center")
    reference = row.text_input(
        f"What was said in {sanitise(file.name)}", key=field_key(f"upload-said-{file.file_id}"),
        max_chars=MAX_REFERENCE, placeholder="What was said", persist_state=PERSIST,
        label_visibility="collapsed",
    )  # fmt: skip
    earlier = st.session_state[_EARLIER_KEY]
    if file in earlier and row.button(
        "Remove", key=f"upload-remove-{file.file_id}", icon=":material/close:"
    ):
        st.session_state[_EARLIER_KEY] = [other for other in earlier if other is not file]
        release_upload(file)
        st.rerun()
    return reference.strip()


def _upload(store: Store) -> None:
    files = _chosen_files()
    if not files:
        return
    st.caption("Enter what was said in each. Leave it empty if nobody speaks.")
    texts = [_reference_field(file) for file in files]
    language = _language("upload")
    with show_errors():
        tags = tag_fields("upload")
        if st.button("Store these in the test set", type="primary", icon=":material/save:"):
            n_stored = 0
            for file, reference in zip(files, texts, strict=True):
                with show_errors():
                    samples = decode_upload(file, file.name, MAX_CASE_S)
                    store.add_case(
                        NewCase(PurePosixPath(file.name).stem, reference, samples, language, tags)
                    )
                    n_stored += 1
            _toast_stored(n_stored)


def _import(store: Store) -> None:
    st.caption(
        "A table (CSV, TSV or JSONL) with columns for the file and its words, next to the "
        "recordings. Other columns become tags, such as *accent* or *speaker*. Common Voice, LJ "
        "Speech, LibriSpeech and Kaldi sets can be used as unpacked."
    )
    folder = st.file_uploader(
        "Folder in the layout of Hugging Face's audiofolder or of NeMo",
        accept_multiple_files="directory", key="case-folder",
    )  # fmt: skip
    packed = st.file_uploader("Or a ZIP of such a folder", type="zip", key="case-zip")
    language = _language("import")
    if st.button(
        "Store them in the test set", type="primary", icon=":material/save:",
        disabled=not (folder or packed),
    ):  # fmt: skip
        with show_errors():
            if packed is not None:
                stored = stored_upload(packed)
                with open_zip(stored.path) as files:
                    _run_import(store, files, language)
            else:
                _run_import(store, {f.name: _opener(f) for f in folder}, language)


def _opener(file: UploadedFile) -> Callable[[], BinaryIO]:
    return lambda: stored_upload(file).open()


def _run_import(store: Store, files: Files, language: str) -> None:
    """Store a set and draw the outcome."""
    bar = st.progress(0.0, "Reading…")

    def progress(i: int, n: int) -> None:
        if i == n or i % max(1, n // 100) == 0:  # not a message for every line
            bar.progress(i / n, f"{i} of {n}")

    found = import_set(store.add_case, files, language, progress)
    bar.empty()
    _toast_stored(found.n_stored)
    st.success(f"{found.n_stored} of {found.n_lines} recordings are in the test set.")
    for note in found.notes:
        st.info(escape_markdown(note))
    if found.problems:
        some = "\n".join(f"- {escape_markdown(problem)}" for problem in found.problems)
        st.warning(f"{found.n_problems} could not be used:\n{some}")
