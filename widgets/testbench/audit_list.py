"""Audit log of the test bench, for operators."""

from __future__ import annotations

import streamlit as st

from widgets.testbench.store_access import show_errors, visitor_store

__all__ = ["audit_list"]

_N_LINES = 100


def audit_list() -> None:
    """Draw the latest changes, the newest first."""
    st.subheader("Test bench changes", anchor=False)
    store = visitor_store()
    if store is None:
        return
    with show_errors():
        lines = store.audit(_N_LINES)
        if not lines:
            st.caption("None.")
            return
        st.dataframe(
            [
                {
                    "when": line.at.astimezone(),
                    "who": line.who or "not signed in",
                    "role": line.role,
                    "what": line.what,
                    "count": line.n,
                }
                for line in lines
            ],
            hide_index=True,
        )
