"""Operator: how the server does. Counts and seconds, nothing of what was said."""

import streamlit as st

from asr_core.metrics import figures
from widgets.settings import current_settings
from widgets.testbench.audit_list import audit_list

current_settings()  # a server that opens this page first needs it
st.title("Operator", anchor=False)


@st.fragment(run_every=2)
def draw() -> None:
    now = figures()
    row = st.columns(3)
    row[0].metric("Speaking", now.speaking)
    row[1].metric("Waiting for a place", now.waiting)
    row[2].metric("Served in time", now.capacity, help="Speakers, as measured while they speak.")
    row = st.columns(3)
    row[0].metric("Words behind, median", f"{now.lag_s[0]:.1f} s")
    row[1].metric("Words behind, 95 %", f"{now.lag_s[1]:.1f} s")
    speed = f"{now.times_real_time:.0f} ×" if now.times_real_time else "–"
    row[2].metric("Files, times real time", speed)
    st.subheader("Failures since the start", anchor=False)
    if now.errors:
        st.dataframe(
            [{"where": where, "kind": kind, "times": times} for where, kind, times in now.errors],
            hide_index=True,
        )
    else:
        st.caption("None.")


draw()
audit_list()
