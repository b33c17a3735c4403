"""Which pages there are, and for whom."""

from __future__ import annotations

import streamlit as st

from asr_core.roles import Role
from widgets.between_runs import keep_between_runs
from widgets.entrance import admitted, current_actor
from widgets.operator import closing_note, end_without_losses, start_monitoring
from widgets.settings import choose_settings
from widgets.site import is_gated
from widgets.streamlit_guard import stay_offline
from widgets.streamlit_parts import end_sessions_that_are_left
from widgets.workspace import current_workspace, freed_note

__all__ = ["navigate"]


def navigate() -> None:
    """Draw the page that was asked for, if the visitor may see it."""
    if not is_gated():
        start_monitoring()
        end_without_losses()
        end_sessions_that_are_left()
        keep_between_runs()
        stay_offline()
    pages = [
        st.Page("pages/live.py", title="Live", icon=":material/mic:", default=True),
        st.Page("pages/upload.py", title="Upload", icon=":material/upload_file:"),
        st.Page("pages/testbench.py", title="Test bench", icon=":material/science:"),
        st.Page("pages/operator.py", title="Operator", icon=":material/monitoring:"),
    ]
    needed = (Role.GUEST, Role.GUEST, Role.TESTER, Role.OPERATOR)
    may_enter = admitted()
    role = current_actor().role if may_enter else Role.OPERATOR  # who is outside sees none anyway
    page = st.navigation(
        [page for page, least in zip(pages, needed, strict=True) if role >= least],
        position="sidebar" if may_enter else "hidden",
    )
    if may_enter:
        current_workspace()  # from now on the gate knows whose this session is
        with st.sidebar:
            choose_settings()
        closing_note()
        freed_note()
        page.run()
