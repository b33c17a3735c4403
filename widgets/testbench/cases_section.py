"""Cases section: play, edit, export and delete the recordings of the test set."""

from __future__ import annotations

import io
from collections.abc import Sequence

import streamlit as st

from asr_core.evaluation.cases import MAX_NAME, MAX_REFERENCE
from asr_core.evaluation.exports import write_set
from asr_core.evaluation.store import Case, Store
from asr_core.languages import LANGUAGES
from widgets.markdown import escape_markdown
from widgets.testbench.pickers import filter_by_tags, paginate
from widgets.testbench.store_access import show_errors, tag_fields
from widgets.text_fields import PERSIST, field_key

__all__ = ["cases_section"]

_CASES_PER_PAGE = 10


def cases_section(store: Store) -> None:
    """Draw the test set, the newest recording first."""
    cases = store.cases()
    st.caption(
        f"{len(cases)} recordings · {store.used_mb():.1f} of {store.max_mb:.0f} MB of audio. "
        "Visible to everyone who can open this page."
    )
    if not cases:
        st.info("No recordings yet. Read a sentence aloud, upload recordings or import a set.")
        return
    shown = filter_by_tags(cases, lambda case: case.tags, "Filter by tag", "cases-with")
    for case in paginate(shown, _CASES_PER_PAGE, "case-page"):
        _case(store, case)
    row = st.container(horizontal=True)
    row.download_button(
        "Export", lambda: _to_zip(store, shown), "test-set.zip", "application/zip",
        icon=":material/download:", on_click="ignore",
        help="A ZIP that Hugging Face datasets, NeMo and Kaldi can read.",
    )  # fmt: skip
    if (
        shown
        and store.actor.may_review
        and row.button(f"Delete these {len(shown)}…", icon=":material/delete:")
    ):
        _confirm(store, shown)


def _to_zip(store: Store, cases: Sequence[Case]) -> bytes:
    file = io.BytesIO()
    write_set(cases, store.flac, file)
    return file.getvalue()


def _case(store: Store, case: Case) -> None:
    with st.container(border=True):
        # Earlier versions stored references of any length.
        st.markdown(f"**{escape_markdown(case.reference[:MAX_REFERENCE] or 'No speech')}**")
        tags = " · ".join(f"{tag}: {value}" for tag, value in case.tags.items())
        about = f"{case.name} · {LANGUAGES[case.language]} · {case.seconds:.1f} s"
        st.caption(escape_markdown(f"{about} · {tags}" if tags else about))
        with show_errors():
            st.audio(store.flac(case.id), format="audio/flac")
        row = st.container(horizontal=True)
        if store.actor.may_review:
            with row.popover("Edit", icon=":material/edit:"):
                _change(store, case)
        if store.actor.may_delete(case.owner) and row.button(
            "Delete", key=f"delete-{case.id}", icon=":material/delete:"
        ):
            with show_errors():
                store.delete_cases([case.id])
                st.rerun()


def _change(store: Store, case: Case) -> None:
    name = st.text_input(
        "Name",
        max_chars=MAX_NAME,
        key=field_key(f"name-{case.id}", case.name),
        persist_state=PERSIST,
    )
    reference = st.text_area(
        "What was said", max_chars=MAX_REFERENCE, key=field_key(f"said-{case.id}", case.reference),
        persist_state=PERSIST,
    )  # fmt: skip
    codes = list(LANGUAGES)
    language = st.selectbox(
        "Language", codes, codes.index(case.language), LANGUAGES.__getitem__,
        key=f"language-{case.id}-{case.language}", persist_state=PERSIST,
    )  # fmt: skip
    with show_errors():
        tags = tag_fields(f"change-{case.id}", dict(case.tags))
        if st.button("Store the changes", key=f"store-{case.id}", type="primary"):
            store.change_case(case.id, name, reference.strip(), language, tags)
            st.rerun()


@st.dialog("Delete from the test set?")
def _confirm(store: Store, cases: Sequence[Case]) -> None:
    st.write(f"{len(cases)} recordings and all their results will be permanently deleted.")
    row = st.container(horizontal=True)
    if row.button("Delete them", type="primary", icon=":material/delete:"):
        with show_errors():
            store.delete_cases([case.id for case in cases])
            st.rerun()
    if row.button("Keep them"):
        st.rerun()
