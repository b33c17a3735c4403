"""Flags section: review, accept into the test set, dismiss, export."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence

import streamlit as st

from asr_core.evaluation.cases import MAX_REFERENCE
from asr_core.evaluation.store import Flag, Store
from widgets.markdown import escape_markdown
from widgets.testbench.pickers import paginate
from widgets.testbench.store_access import show_errors, tag_fields
from widgets.text_fields import PERSIST, field_key
from widgets.transcript_view import format_clock

__all__ = ["flags_section"]

_FLAGS_PER_PAGE = 10
_STATES = ("open", "accepted", "dismissed")


def flags_section(store: Store) -> None:
    """Draw the flags to review."""
    flags = store.flags()
    if not flags:
        st.info("No flags yet. Use *Flag* next to any transcript to report an error.")
        return
    state = st.segmented_control(
        "State", _STATES, default="open", required=True, key="flags-state",
        format_func=lambda s: f"{s.capitalize()} ({sum(f.state == s for f in flags)})",
    )  # fmt: skip
    shown = [flag for flag in flags if flag.state == state]
    for flag in paginate(shown, _FLAGS_PER_PAGE, "flag-page"):
        _flag(store, flag)
    if shown:
        st.download_button(
            "Export", lambda: _to_zip(store, shown), "flags.zip", "application/zip",
            icon=":material/download:", on_click="ignore",
            help="A ZIP with flags.jsonl and the audio.",
        )  # fmt: skip


def _flag(store: Store, flag: Flag) -> None:
    with st.container(border=True):
        where = f"{flag.source} at {format_clock(flag.start_s)} · {flag.model}"
        st.markdown(f"**{flag.reason.capitalize()}** · {escape_markdown(where)}")
        st.markdown(f"Recognised: {escape_markdown(flag.hypothesis or '–')}  \nSaid: "
                    f"{escape_markdown(flag.corrected or '–')}")  # fmt: skip
        if flag.note:
            st.caption(escape_markdown(flag.note))
        if flag.has_audio:
            with show_errors():
                st.audio(store.flac(flag.id), format="audio/flac")
        row = st.container(horizontal=True)
        may_review = store.actor.may_review
        if may_review and flag.has_audio and flag.state != "accepted":
            with row.popover("Accept", icon=":material/check:", key=f"accept-{flag.id}"):
                _accept(store, flag)
        if (
            may_review
            and flag.state == "open"
            and row.button("Dismiss", key=f"dismiss-{flag.id}", icon=":material/close:")
        ):
            with show_errors():
                store.dismiss_flag(flag.id)
                st.rerun()
        if store.actor.may_delete(flag.owner) and row.button(
            "Delete", key=f"unflag-{flag.id}", icon=":material/delete:"
        ):
            with show_errors():
                store.delete_flag(flag.id)
                st.rerun()


def _accept(store: Store, flag: Flag) -> None:
    reference = st.text_area(
        "What was said", max_chars=MAX_REFERENCE, key=field_key(f"accepted-{flag.id}", flag.corrected),
        persist_state=PERSIST,
    )  # fmt: skip
    with show_errors():
        tags = tag_fields(f"tags-{flag.id}")
        if st.button("Store in the test set", key=f"accepting-{flag.id}", type="primary"):
            store.accept_flag(flag, reference.strip(), tags)
            st.rerun()


def _to_zip(store: Store, flags: Sequence[Flag]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        rows = []
        for flag in flags:
            row = {**vars(flag), "created_at": flag.created_at.isoformat()}
            del row["owner"]  # an email address
            if flag.has_audio:
                row["file_name"] = f"audio/{flag.id}.flac"
                archive.writestr(row["file_name"], store.flac(flag.id))
            rows.append(json.dumps(row, ensure_ascii=False))
        archive.writestr("flags.jsonl", "".join(f"{row}\n" for row in rows))
    return file.getvalue()
