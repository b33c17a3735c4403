"""Navigation between the pages that a visitor's role allows."""

from __future__ import annotations

import streamlit as st

from asr_core.errors import SettingsError
from asr_core.evaluation.roles import Role
from widgets.access import current_actor, require_access
from widgets.lifecycle import install_graceful_shutdown, shutdown_notice, start_monitoring
from widgets.markdown import escape_markdown
from widgets.secrets import app_settings
from widgets.settings import choose_settings
from widgets.site import is_gated
from widgets.workarounds.streamlit_hardening import harden_streamlit
from widgets.workarounds.streamlit_reruns import install_rerun_fixes
from widgets.workarounds.streamlit_storage import install_session_storage
from widgets.workspace import current_workspace, expiry_notice

__all__ = ["navigate"]


def navigate() -> None:
    """Draw the requested page, if the visitor may see it."""
    try:
        app_settings()
    except SettingsError as error:  # without a gate nobody has read them before
        st.error(escape_markdown(str(error)), icon=":material/error:")
        st.stop()
    if not is_gated():
        start_monitoring()
        install_graceful_shutdown()
        install_session_storage()
        install_rerun_fixes()
        harden_streamlit()
    pages = [
        st.Page("pages/live.py", title="Live", icon=":material/mic:", default=True),
        st.Page("pages/upload.py", title="Upload", icon=":material/upload_file:"),
        st.Page("pages/testbench.py", title="Test bench", icon=":material/science:"),
        st.Page("pages/operator.py", title="Operator", icon=":material/monitoring:"),
    ]
    needed = (Role.GUEST, Role.GUEST, Role.TESTER, Role.OPERATOR)
    has_access = require_access()
    role = (
        current_actor().role if has_access else Role.OPERATOR
    )  # without access no page is drawn anyway
    page = st.navigation(
        [page for page, least in zip(pages, needed, strict=True) if role >= least],
        position="sidebar" if has_access else "hidden",
    )
    if has_access:
        current_workspace()  # tells the gate whose session this is
        with st.sidebar:
            choose_settings()
        shutdown_notice()
        expiry_notice()
        page.run()
