"""What whoever runs the app has set: Streamlit's secrets, else the environment."""

from __future__ import annotations

import os
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

__all__ = ["setting"]


def setting(name: str) -> Any:
    """The secret or environment variable ``name``; None if it is neither."""
    try:
        return st.secrets.get(name) or os.environ.get(name)
    except StreamlitSecretNotFoundError:
        return os.environ.get(name)
