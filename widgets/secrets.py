"""Settings of the operator, from Streamlit's secrets or the environment."""

from __future__ import annotations

import os
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

__all__ = ["setting"]


def setting(name: str) -> Any:
    """Return the secret or environment variable ``name``; None if it is not set."""
    try:
        return st.secrets.get(name) or os.environ.get(name)
    except StreamlitSecretNotFoundError:
        return os.environ.get(name)
