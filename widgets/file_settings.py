"""The sidebar of the upload page: what is wanted of the files."""

from __future__ import annotations

import streamlit as st

from asr_core.errors import AudioError
from asr_core.formats import parse_clock
from asr_core.fullcontext import FileOptions, Stretch
from asr_core.limits import Limits
from widgets.settings import Settings, limits
from widgets.typed import KEPT, typed

__all__ = ["file_options"]


def file_options(settings: Settings) -> FileOptions:
    """Draw the pickers; what they say holds for files added from now on."""
    with st.sidebar:
        st.header("Upload")
        prompt = st.text_input(
            "Names and terms", key=typed("prompt"), persist_state=KEPT,
            placeholder="Nagg, Nell, Endgame",
            help="Words that may come up and are easily misheard.",
        )  # fmt: skip
        is_mixed = st.toggle(
            "Several languages in a file", key="mixed", persist_state=KEPT,
            disabled=settings.language is not None,
            help="Detects the language of each passage, not once for the file.",
        )  # fmt: skip
        split_channels = st.toggle(
            "Channels are speakers", key="channels", persist_state=KEPT,
            help="For calls with a speaker on each channel: each is heard by itself, and every "
            "line has its speaker.",
        )  # fmt: skip
        columns = st.columns(2)
        start = columns[0].text_input(
            "From", key=typed("from"), placeholder="0:00", persist_state=KEPT
        )
        end = columns[1].text_input(
            "To", key=typed("to"), placeholder="the end", persist_state=KEPT
        )
        stretch = _chosen_stretch(start, end)
        st.caption("For files added, or transcribed again, from now on.")
        most_s = limits().file_s
        if most_s is not None and most_s != Limits.file_s:
            st.caption(f"At most {most_s / 60:g} minutes of a file are heard here.")
    return FileOptions(
        settings.language, is_mixed, settings.task, prompt, stretch,
        most_s=most_s, split_channels=split_channels,
    )  # fmt: skip


def _chosen_stretch(start: str, end: str) -> Stretch:
    try:
        return Stretch(
            parse_clock(start) if start.strip() else 0.0, parse_clock(end) if end.strip() else None
        )
    except (ValueError, AudioError) as error:
        st.error(f"{error}. Until then whole files are transcribed.".replace("..", "."))
        return Stretch()
