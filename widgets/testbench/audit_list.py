"""Who changed and deleted what at the test bench, for operators."""

from __future__ import annotations

import streamlit as st

from widgets.testbench.opened import opened_store, saying_errors

__all__ = ["audit_list"]

_N_LINES = 100


def audit_list() -> None:
    """Draw the latest changes, newest first."""
    st.subheader("Changes at the test bench", anchor=False)
    store = opened_store()
    if store is None:
        return
    with saying_errors():
        lines = store.audit(_N_LINES)
        if not lines:
            st.caption("None.")
            return
        st.dataframe(
            [
                {
                    "when": line.at.astimezone(),
                    "who": line.who or "nobody signed in",
                    "role": line.role,
                    "what": line.what,
                    "how many": line.n,
                }
                for line in lines
            ],
            hide_index=True,
        )
