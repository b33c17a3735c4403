"""Settings and tables of the operator from Streamlit's secrets."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from asr_core.settings import Settings, read_settings, use_secrets

__all__ = ["app_settings", "secret_table"]


def app_settings() -> Settings:
    """Return the settings; from now on, ``read_settings`` finds the secrets in all threads, too.

    Raises:
        SettingsError: a value is not valid.
    """
    use_secrets(_secrets)
    return read_settings()


def secret_table(name: str) -> dict[str, Any]:
    """Return a table of the secrets, such as ``[auth]``; empty if there is none."""
    return dict(_secrets().get(name) or {})


def _secrets() -> dict[str, Any]:
    try:
        return st.secrets.to_dict()
    except StreamlitSecretNotFoundError:
        return {}
