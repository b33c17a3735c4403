"""What was flagged: heard, accepted into the test set, dismissed, taken away."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence

import streamlit as st

from asr_core.testbench.cases import MAX_SAID
from asr_core.testbench.store import Flag, Store
from widgets.testbench.opened import saying_errors, tag_fields
from widgets.testbench.pickers import page_of
from widgets.texts import as_written
from widgets.transcript_view import line_clock
from widgets.typed import KEPT, typed

__all__ = ["flags_section"]

_PER_PAGE = 10
_STATES = ("open", "accepted", "dismissed")


def flags_section(store: Store) -> None:
    """Draw the review list."""
    flags = store.flags()
    if not flags:
        st.info("Nothing is flagged yet. Wherever text is shown, *Flag* keeps a wrong place.")
        return
    state = st.segmented_control(
        "State", _STATES, default="open", required=True, key="flags-state",
        format_func=lambda s: f"{s.capitalize()} ({sum(f.state == s for f in flags)})",
    )  # fmt: skip
    shown = [flag for flag in flags if flag.state == state]
    for flag in page_of(shown, _PER_PAGE, "flag-page"):
        _flag(store, flag)
    if shown:
        st.download_button(
            "Export", lambda: _zipped(store, shown), "flags.zip", "application/zip",
            icon=":material/download:", on_click="ignore",
            help="A ZIP with flags.jsonl and the audio.",
        )  # fmt: skip


def _flag(store: Store, flag: Flag) -> None:
    with st.container(border=True):
        where = f"{flag.source} at {line_clock(flag.start_s)} · {flag.model}"
        st.markdown(f"**{flag.reason.capitalize()}** · {as_written(where)}")
        st.markdown(f"Heard: {as_written(flag.heard or '–')}  \nSaid: "
                    f"{as_written(flag.corrected or '–')}")  # fmt: skip
        if flag.note:
            st.caption(as_written(flag.note))
        if flag.has_audio:
            with saying_errors():
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
            with saying_errors():
                store.dismiss_flag(flag.id)
                st.rerun()
        if store.actor.may_delete(flag.owner) and row.button(
            "Delete", key=f"unflag-{flag.id}", icon=":material/delete:"
        ):
            with saying_errors():
                store.delete_flag(flag.id)
                st.rerun()


def _accept(store: Store, flag: Flag) -> None:
    said = st.text_area(
        "What was said", max_chars=MAX_SAID, key=typed(f"accepted-{flag.id}", flag.corrected),
        persist_state=KEPT,
    )  # fmt: skip
    with saying_errors():
        tags = tag_fields(f"tags-{flag.id}")
        if st.button("Store in the test set", key=f"accepting-{flag.id}", type="primary"):
            store.accept_flag(flag, said.strip(), tags)
            st.rerun()


def _zipped(store: Store, flags: Sequence[Flag]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        rows = []
        for flag in flags:
            row = {**vars(flag), "created_at": flag.created_at.isoformat()}
            del row["owner"]  # an address
            if flag.has_audio:
                row["file_name"] = f"audio/{flag.id}.flac"
                archive.writestr(row["file_name"], store.flac(flag.id))
            rows.append(json.dumps(row, ensure_ascii=False))
        archive.writestr("flags.jsonl", "".join(f"{row}\n" for row in rows))
    return file.getvalue()
