"""Flags for recognition errors, and lines added to the test set, wherever text is shown.

Nothing is stored before a button that says so is pressed, and then only the audio of that line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.pcm import to_int16
from asr_core.evaluation.cases import MAX_NAME, MAX_REFERENCE
from asr_core.evaluation.store import REASONS, Flag, NewCase, Store, open_store
from asr_core.evaluation.trial import Trial
from asr_core.full_context import Job
from asr_core.full_context.time_range import TimeRange, read_range
from asr_core.streaming import LiveSession
from asr_core.text.plain_text import shorten
from asr_core.transcript import Transcript
from widgets.access import current_actor
from widgets.testbench.store_access import show_errors, tag_fields
from widgets.text_fields import PERSIST, field_key
from widgets.transcript_view import format_clock

__all__ = ["flag_recording", "flag_transcript", "flag_trial"]

Samples = NDArray[np.int16]

# Added on both sides of a line: word times are accurate to a fifth of a second.
_MARGIN_S = 0.3


def flag_transcript(job: Job, original: Transcript, corrected: Transcript) -> None:
    """Draw the popover of a transcribed file; ``corrected`` has the corrections."""

    def audio(time_range: TimeRange) -> Samples:
        with job.file.open() as source:
            return to_int16(read_range(source, time_range, job.name))

    _line_popover(job.key, _Source(job.name, job.model, original, corrected, audio))


def flag_recording(
    key: str, name: str, session: LiveSession, transcript: Transcript, model: str
) -> None:
    """Draw the popover of a finished recording, which has audio only if it was kept."""

    def audio(time_range: TimeRange) -> Samples:
        recording = session.kept_audio()
        end = (
            len(recording) if time_range.end_s is None else round(time_range.end_s * SAMPLE_RATE_HZ)
        )
        return recording[round(time_range.start_s * SAMPLE_RATE_HZ) : end]

    has_audio = session.options.keep_audio
    source = _Source(name, model, transcript, transcript, audio if has_audio else None)
    _line_popover(key, source)


@dataclass(frozen=True)
class _Source:
    """Transcript that lines are flagged in; ``corrected`` has the corrections of ``original``."""

    name: str
    model: str
    original: Transcript
    corrected: Transcript
    audio: Callable[[TimeRange], Samples] | None


def _line_popover(key: str, source: _Source) -> None:
    original, audio = source.original, source.audio
    if not original.segments or not current_actor().may_add:
        return
    with st.popover("Flag or add to test set", icon=":material/flag:", key=f"flag-{key}"):
        lines = range(len(original.segments))
        i = st.selectbox(
            "Line",
            lines,
            format_func=lambda i: (
                f"{format_clock(original.segments[i].start)} {original.segments[i].text}"
            ),
            key=f"flag-line-{key}",
            persist_state=PERSIST,
        )
        line = original.segments[i]
        recognised = next(
            (s.text for s in source.corrected.segments if s.start == line.start), line.text
        )
        field = field_key(f"flag-said-{key}-{i}", recognised)
        reference = st.text_area(
            "What was said", max_chars=MAX_REFERENCE, key=field, persist_state=PERSIST
        )
        reference = reference.strip()
        language = line.language or original.language or "en"
        time_range = TimeRange(max(0.0, line.start - _MARGIN_S), line.end + _MARGIN_S)
        flag = Flag(
            "other", line.text, reference, source.name, source.model, language, line.start, line.end
        )
        _flag_form(
            f"{key}-{i}", flag, (lambda: audio(time_range)) if audio else None, with_test_set=True
        )


def flag_trial(store: Store, key: str, trial: Trial, samples: Samples) -> None:
    """Draw the popover of a trial, whose reference is known and whose audio is stored."""
    if not store.actor.may_add:
        return
    with st.popover("Flag", icon=":material/flag:", key=f"flag-trial-{key}"):
        flag = Flag(
            "other", trial.text, trial.reference, f"{trial.name}, {trial.condition.title}",
            trial.system.title, trial.language, 0.0, trial.result.audio_s,
        )  # fmt: skip
        _flag_form(f"trial-{key}", flag, lambda: samples, with_test_set=False)


def _flag_form(
    key: str, flag: Flag, audio: Callable[[], Samples] | None, *, with_test_set: bool
) -> None:
    reason = st.pills("Why", REASONS, key=f"why-{key}", persist_state=PERSIST) or "other"
    note = st.text_input("Note", key=field_key(f"note-{key}"), max_chars=500, persist_state=PERSIST)
    if audio is None:
        st.caption(
            "The flag has no audio, because it was not kept. Turn on *Keep the audio* in the sidebar."
        )
    if st.button("Store the flag", key=f"store-flag-{key}", icon=":material/flag:"):
        with show_errors(lambda: st.toast("Flag stored.", icon=":material/flag:")):
            filled = replace(flag, reason=reason, note=note)
            open_store().acting(current_actor()).add_flag(filled, audio() if audio else None)
    if with_test_set and audio is not None:
        with show_errors():
            tags = tag_fields(f"flag-{key}")
            if st.button("Add to test set", key=f"add-{key}", icon=":material/playlist_add:"):
                name = f"{shorten(flag.source, MAX_NAME - 20)} {format_clock(flag.start_s)}"
                new = NewCase(name, flag.corrected, audio(), flag.language, tags)
                open_store().acting(current_actor()).add_case(new)
                st.toast("Stored in the test set.", icon=":material/check:")
