"""The app: ``streamlit run streamlit_app.py``."""

import streamlit as st

from asr_core.roles import Role
from widgets.entrance import admitted, current_role
from widgets.operator import closing_note, ended_without_losses, watched_from_outside
from widgets.settings import choose_settings

st.set_page_config(page_title="Speak and read", page_icon="🎙️", layout="centered")

watched_from_outside()
ended_without_losses()
pages = [
    st.Page("pages/live.py", title="Live", icon=":material/mic:", default=True),
    st.Page("pages/upload.py", title="Upload", icon=":material/upload_file:"),
    st.Page("pages/testbench.py", title="Test bench", icon=":material/science:"),
    st.Page("pages/operator.py", title="Operator", icon=":material/monitoring:"),
]
needed = (Role.GUEST, Role.GUEST, Role.TESTER, Role.OPERATOR)
may_enter = admitted()
role = current_role() if may_enter else Role.OPERATOR  # who is outside sees none anyway
page = st.navigation(
    [page for page, least in zip(pages, needed, strict=True) if role >= least],
    position="sidebar" if may_enter else "hidden",
)
if may_enter:
    with st.sidebar:
        choose_settings()
    closing_note()
    page.run()
