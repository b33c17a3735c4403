"""Sidebar settings of the upload page."""

from __future__ import annotations

import streamlit as st

from asr_core.errors import AudioError
from asr_core.full_context import FileOptions, TimeRange
from asr_core.output.formats import parse_timestamp
from asr_core.settings import read_settings
from widgets.settings import RecognitionSettings
from widgets.text_fields import PERSIST, field_key

__all__ = ["file_options"]


def file_options(settings: RecognitionSettings) -> FileOptions:
    """Draw the settings and return the options for files added from now on."""
    with st.sidebar:
        st.header("Upload")
        is_mixed = st.toggle(
            "Several languages per file", key="mixed", persist_state=PERSIST,
            disabled=settings.language is not None,
            help="Detects the language of each passage instead of once per file.",
        )  # fmt: skip
        split_channels = st.toggle(
            "One speaker per channel", key="channels", persist_state=PERSIST,
            help="For recorded calls: each channel is transcribed separately, and every line names "
            "its speaker.",
        )  # fmt: skip
        columns = st.columns(2)
        start = columns[0].text_input(
            "From", key=field_key("from"), placeholder="0:00", persist_state=PERSIST
        )
        end = columns[1].text_input(
            "To", key=field_key("to"), placeholder="end", persist_state=PERSIST
        )
        time_range = _choose_time_range(start, end)
        st.caption("Applies to files added or transcribed again from now on.")
        allowed = read_settings()
        if "max_file_minutes" in allowed.model_fields_set:
            st.caption(
                f"The first {allowed.max_file_minutes:g} minutes of a file are transcribed on this "
                "server."
            )
    return FileOptions(
        settings.language, is_mixed, settings.task, terms=settings.terms, time_range=time_range,
        max_s=60 * allowed.max_file_minutes, split_channels=split_channels,
    )  # fmt: skip


def _choose_time_range(start: str, end: str) -> TimeRange:
    try:
        return TimeRange(
            parse_timestamp(start) if start.strip() else 0.0,
            parse_timestamp(end) if end.strip() else None,
        )
    except (ValueError, AudioError) as error:
        st.error(
            f"{error}. Whole files are transcribed until this is corrected.".replace("..", ".")
        )
        return TimeRange()
