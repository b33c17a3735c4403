"""Operator page: the server's load, lag and errors, without any transcript."""

import streamlit as st

from asr_core.server.status import server_status
from widgets.settings import current_settings
from widgets.testbench.audit_list import audit_list

current_settings()  # needed when this page is the first that the server opens
st.title("Operator", anchor=False)


@st.fragment(run_every=2)
def draw() -> None:
    """Draw the current figures."""
    now = server_status()
    row = st.columns(3)
    row[0].metric("Speaking", now.n_speaking)
    row[1].metric("Queueing", now.n_waiting)
    row[2].metric(
        "Capacity", now.capacity, help="Speakers served in real time, as measured while they speak."
    )
    row = st.columns(3)
    row[0].metric("Lag, median", f"{now.lag_s[0]:.1f} s")
    row[1].metric("Lag, 95th percentile", f"{now.lag_s[1]:.1f} s")
    speed = f"{now.file_rtfx:.0f} ×" if now.file_rtfx else "–"
    row[2].metric("Files, × real time", speed)
    st.subheader("Errors since the start", anchor=False)
    if now.errors:
        st.dataframe(
            [{"where": where, "kind": kind, "count": count} for where, kind, count in now.errors],
            hide_index=True,
        )
    else:
        st.caption("None.")


draw()
audit_list()
