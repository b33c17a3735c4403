"""Text fields whose words stay: on another page, and until somebody comes back to this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

__all__ = ["KEPT", "forget_typed", "is_typed_into", "typed"]

KEPT = "session"
"""What widgets get as ``persist_state``: without it a run that does not draw them, such as that
of another page, empties them."""

_GIVEN = "given"


def typed(key: str, given: str = "") -> str:
    """Return ``key`` for a text field that begins with ``given``, to be drawn without a value.

    While nobody types, the field follows what it is given; what somebody typed stays.
    """
    all_given = st.session_state.setdefault(_GIVEN, {})
    before = all_given.get(key, "")
    all_given[key] = given
    if given != before and st.session_state.get(key, before) == before:
        st.session_state[key] = given
    return key


def forget_typed(key: str) -> None:
    """Have the field with this key, which will not be drawn again, not count as typed into."""
    st.session_state.get(_GIVEN, {}).pop(key, None)


def is_typed_into(state: Mapping[str, Any]) -> bool:
    """Whether a field in the state of a session has other words than those it was given."""
    all_given: dict[str, str] = state.get(_GIVEN, {})
    return any(
        str(state.get(key, given)).strip() != given.strip()
        for key, given in list(all_given.items())
    )
