"""Refined transcript of a recording, and the way back to the live one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from asr_core.streaming import Recording
from asr_core.transcript import Transcript
from widgets.downloads import recording_name
from widgets.markdown import escape_markdown
from widgets.text_fields import PERSIST

__all__ = ["ShownTranscript", "refinement_progress", "shown_transcript"]

_REFINED, _LIVE = "Refined", "Live"


@dataclass(frozen=True)
class ShownTranscript:
    """Transcript of a recording that the page shows.

    Attributes:
        transcript: the refined or the live one.
        version: which of them.
        changed: for each word of the refined one if the live one does not have it.
    """

    transcript: Transcript
    version: str = ""
    changed: Sequence[bool] = ()


def shown_transcript(recording: Recording) -> ShownTranscript:
    """Draw the choice between both transcripts of a recording, if they differ; return the chosen.

    That is the refined one unless the user chooses otherwise.
    """
    live = recording.session.snapshot.transcript()
    refinement = recording.refinement
    if refinement is None or refinement.transcript is None:
        if refinement is not None and refinement.error:
            st.caption(escape_markdown(refinement.error))
        return ShownTranscript(live)
    refined = refinement.transcript
    if refined.text == live.text:
        st.caption("Refined: the live transcript needed no change.")
        return ShownTranscript(refined)
    chosen = st.segmented_control(
        "Transcript", [_REFINED, _LIVE], default=_REFINED, required=True,
        key=f"shown-{recording_name(recording)}", label_visibility="collapsed",
        persist_state=PERSIST,
        help="Refined: transcribed as a whole after STOP. Live: as it was written while you spoke.",
    )  # fmt: skip
    if chosen == _LIVE:
        return ShownTranscript(live)
    return ShownTranscript(refined, _REFINED, refinement.changed)


def refinement_progress(recording: Recording) -> None:
    """Draw how far the refinement is; rerun the page when it is over."""
    st.fragment(run_every=0.5)(_draw_progress)(recording)


def _draw_progress(recording: Recording) -> None:
    refinement = recording.refinement
    if refinement is None or refinement.is_over:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(refinement.fraction_done, "Refining: the whole recording is transcribed again")
        if st.button("Keep the live text", key=f"keep-live-{recording_name(recording)}"):
            refinement.cancel()
