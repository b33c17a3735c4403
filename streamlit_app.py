"""The app: ``streamlit run streamlit_app.py``."""

import streamlit as st

from widgets.operator import watched_from_outside
from widgets.settings import choose_settings

st.set_page_config(page_title="Speak and read", page_icon="🎙️", layout="centered")

page = st.navigation(
    [
        st.Page("pages/live.py", title="Live", icon=":material/mic:", default=True),
        st.Page("pages/upload.py", title="Upload", icon=":material/upload_file:"),
        st.Page("pages/testbench.py", title="Test bench", icon=":material/science:"),
    ]
)
watched_from_outside()
with st.sidebar:
    choose_settings()
page.run()
