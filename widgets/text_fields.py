"""Text fields that keep what was typed while another page is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

__all__ = ["PERSIST", "field_key", "forget_field", "has_edits"]

PERSIST: Final = "session"
"""Value of ``persist_state``: without it, a run that does not draw a widget resets it."""

_DEFAULTS = "given"


def field_key(key: str, given: str = "") -> str:
    """Return ``key`` for a text field with the default ``given``; draw the field without a value.

    Until the user types, the field follows its default; typed text stays.
    """
    defaults = st.session_state.setdefault(_DEFAULTS, {})
    before = defaults.get(key, "")
    defaults[key] = given
    if given != before and st.session_state.get(key, before) == before:
        st.session_state[key] = given
    return key


def forget_field(key: str) -> None:
    """Forget the edits of a field that will not be drawn again."""
    st.session_state.get(_DEFAULTS, {}).pop(key, None)


def has_edits(state: Mapping[str, Any]) -> bool:
    """Return True if a field of the session differs from its default."""
    defaults: dict[str, str] = state.get(_DEFAULTS, {})
    return any(
        str(state.get(key, given)).strip() != given.strip() for key, given in list(defaults.items())
    )
