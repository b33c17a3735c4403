"""Sidebar settings of the live page."""

from __future__ import annotations

import streamlit as st

from asr_core.settings import read_settings
from asr_core.streaming import LiveOptions
from widgets.settings import current_settings
from widgets.text_fields import PERSIST

__all__ = ["live_options"]


def live_options() -> tuple[LiveOptions, float | None]:
    """Draw the settings; return the next recording's options and its time limit in seconds."""
    settings = current_settings()
    with st.sidebar:
        st.header("Live")
        period = st.slider(
            "Update interval (seconds)", 0.2, 3.0, 0.4, 0.1, key="period", persist_state=PERSIST,
            help="Shorter intervals show words sooner and cost more. Under load, updates slow down.",
        )  # fmt: skip
        keep = st.toggle(
            "Keep the audio", key="keep", persist_state=PERSIST,
            help="Keeps the audio in memory, so that you can save it, until you clear it or close the tab.",
        )  # fmt: skip
        refine = st.toggle(
            "Refine after STOP", True, key="refine", persist_state=PERSIST,
            help="Transcribes an ended recording once more as a whole, which mends words. Its audio "
            "stays in memory until then.",
        )  # fmt: skip
        minutes = None
        if st.toggle("Time limit", key="limited", persist_state=PERSIST):
            minutes = st.number_input(
                "Minutes", 0.1, 600.0, 10.0, key="minutes", persist_state=PERSIST
            )
        max_minutes = read_settings().max_recording_minutes
        if max_minutes is not None:
            st.caption(f"Recordings end after {max_minutes:g} minutes on this server.")
    options = LiveOptions(settings.language, settings.task, period, keep, refine, settings.terms)
    limits_s = [60 * limit for limit in (minutes, max_minutes) if limit is not None]
    return options, min(limits_s, default=None)
