"""The test set: heard, corrected, taken away, deleted."""

from __future__ import annotations

import io
from collections.abc import Sequence

import streamlit as st

from asr_core.languages import LANGUAGES
from asr_core.testbench.cases import MAX_NAME, MAX_SAID
from asr_core.testbench.exports import write_set
from asr_core.testbench.store import Case, Store
from widgets.testbench.opened import saying_errors, tag_fields
from widgets.testbench.pickers import page_of, with_tags
from widgets.texts import as_written
from widgets.typed import KEPT, typed

__all__ = ["case_list"]

_PER_PAGE = 10


def case_list(store: Store) -> None:
    """Draw it, newest first."""
    cases = store.cases()
    st.caption(
        f"{len(cases)} recordings · {store.used_mb():.1f} of {store.max_mb:.0f} MB of audio. "
        "Everybody who can open this page sees them."
    )
    if not cases:
        st.info("Nothing here yet: read a sentence aloud, upload recordings or import a set.")
        return
    shown = with_tags(cases, lambda case: case.tags, "Only with", "cases-with")
    for case in page_of(shown, _PER_PAGE, "case-page"):
        _case(store, case)
    row = st.container(horizontal=True)
    row.download_button(
        "Export", lambda: _zipped(store, shown), "test-set.zip", "application/zip",
        icon=":material/download:", on_click="ignore",
        help="A ZIP that Hugging Face datasets, NeMo and Kaldi read.",
    )  # fmt: skip
    if (
        shown
        and store.actor.may_review
        and row.button(f"Delete these {len(shown)} …", icon=":material/delete:")
    ):
        _confirm(store, shown)


def _zipped(store: Store, cases: Sequence[Case]) -> bytes:
    file = io.BytesIO()
    write_set(cases, store.flac, file)
    return file.getvalue()


def _case(store: Store, case: Case) -> None:
    with st.container(border=True):
        # Earlier versions kept words of any length.
        st.markdown(f"**{as_written(case.said[:MAX_SAID] or 'Nobody speaks')}**")
        tags = " · ".join(f"{tag}: {value}" for tag, value in case.tags.items())
        about = f"{case.name} · {LANGUAGES[case.language]} · {case.seconds:.1f} s"
        st.caption(as_written(f"{about} · {tags}" if tags else about))
        with saying_errors():
            st.audio(store.flac(case.id), format="audio/flac")
        row = st.container(horizontal=True)
        if store.actor.may_review:
            with row.popover("Change", icon=":material/edit:"):
                _change(store, case)
        if store.actor.may_delete(case.owner) and row.button(
            "Delete", key=f"delete-{case.id}", icon=":material/delete:"
        ):
            with saying_errors():
                store.delete_cases([case.id])
                st.rerun()


def _change(store: Store, case: Case) -> None:
    name = st.text_input(
        "Name", max_chars=MAX_NAME, key=typed(f"name-{case.id}", case.name), persist_state=KEPT
    )
    said = st.text_area(
        "What is said", max_chars=MAX_SAID, key=typed(f"said-{case.id}", case.said),
        persist_state=KEPT,
    )  # fmt: skip
    codes = list(LANGUAGES)
    language = st.selectbox(
        "Language", codes, codes.index(case.language), LANGUAGES.__getitem__,
        key=f"language-{case.id}-{case.language}", persist_state=KEPT,
    )  # fmt: skip
    with saying_errors():
        tags = tag_fields(f"change-{case.id}", dict(case.tags))
        if st.button("Store the change", key=f"store-{case.id}", type="primary"):
            store.change_case(case.id, name, said.strip(), language, tags)
            st.rerun()


@st.dialog("Delete from the test set?")
def _confirm(store: Store, cases: Sequence[Case]) -> None:
    st.write(f"{len(cases)} recordings and all results on them will be gone for good.")
    row = st.container(horizontal=True)
    if row.button("Delete them", type="primary", icon=":material/delete:"):
        with saying_errors():
            store.delete_cases([case.id for case in cases])
            st.rerun()
    if row.button("Keep them"):
        st.rerun()
