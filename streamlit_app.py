"""Entry point of the app: ``streamlit run streamlit_app.py``."""

import streamlit as st

if __name__ == "__main__":  # a page is being drawn
    from widgets.navigation import navigate

    st.set_page_config(page_title="Speak and read", page_icon="🎙️", layout="centered")
    navigate()
else:  # the server is starting
    from widgets.site import app_options

    app = st.App("streamlit_app.py", **app_options())
