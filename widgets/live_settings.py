"""What the sidebar of the live page asks."""

from __future__ import annotations

import streamlit as st

from asr_core.limits import Limits
from asr_core.live import LiveOptions
from widgets.settings import current_settings
from widgets.typed import KEPT

__all__ = ["live_options"]


def live_options(allowed: Limits) -> tuple[LiveOptions, float | None]:
    """Draw them; the options of the next take and its length in seconds, if limited."""
    settings = current_settings()
    with st.sidebar:
        st.header("Live")
        period = st.slider(
            "Update every … seconds", 0.2, 3.0, 0.4, 0.1, key="period", persist_state=KEPT,
            help="Shorter is livelier and costs more. Under load updates come less often.",
        )  # fmt: skip
        keep = st.toggle(
            "Keep the recording", key="keep", persist_state=KEPT,
            help="Holds the audio in memory until you clear it or close the tab, to save it.",
        )  # fmt: skip
        minutes = None
        if st.toggle("Time limit", key="limited", persist_state=KEPT):
            minutes = st.number_input(
                "Minutes", 0.1, 600.0, 10.0, key="minutes", persist_state=KEPT
            )
        most_s = allowed.take_s
        if most_s is not None:
            st.caption(f"A take lasts at most {most_s / 60:g} minutes here.")
    options = LiveOptions(settings.language, settings.task, period, keep)
    wished = [s for s in (minutes * 60 if minutes else None, most_s) if s is not None]
    return options, min(wished, default=None)
