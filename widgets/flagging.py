"""A wrong place, flagged or taken into the test set, wherever text is shown.

Nothing is stored before a button that says so is pressed; then the audio of just
that stretch is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.encode import to_int16
from asr_core.fullcontext import Job
from asr_core.fullcontext.stretch import Stretch, samples_of
from asr_core.live import LiveSession
from asr_core.plain_text import shortened
from asr_core.testbench.cases import MAX_NAME, MAX_SAID
from asr_core.testbench.store import REASONS, Flag, NewCase, Store, open_store
from asr_core.testbench.trial import Trial
from asr_core.transcript import Transcript
from widgets.entrance import current_actor
from widgets.testbench.opened import saying_errors, tag_fields
from widgets.transcript_view import line_clock
from widgets.typed import KEPT, typed

__all__ = ["flag_take", "flag_transcript", "flag_trial"]

Samples = NDArray[np.int16]

_MARGIN_S = 0.3
"""Around a line, since word times are good to a fifth of a second."""


def flag_transcript(job: Job, heard: Transcript, shown: Transcript) -> None:
    """Of a transcribed file; ``shown`` has the corrections."""

    def audio(stretch: Stretch) -> Samples:
        with job.file.open() as source:
            return to_int16(samples_of(source, stretch, job.name))

    _line_popover(job.key, _Source(job.name, job.model, heard, shown, audio))


def flag_take(key: str, name: str, session: LiveSession, model: str) -> None:
    """Of a finished take; its audio is there only if the recording was kept."""

    def audio(stretch: Stretch) -> Samples:
        recording = session.recording()
        end = len(recording) if stretch.end_s is None else round(stretch.end_s * SAMPLE_RATE_HZ)
        return recording[round(stretch.start_s * SAMPLE_RATE_HZ) : end]

    heard = session.snapshot.transcript()
    has_audio = session.options.keep_recording
    source = _Source(name, model, heard, heard, audio if has_audio else None)
    _line_popover(key, source)


@dataclass(frozen=True)
class _Source:
    """What a line is taken from; ``shown`` has the corrections of what was ``heard``."""

    name: str
    model: str
    heard: Transcript
    shown: Transcript
    audio: Callable[[Stretch], Samples] | None


def _line_popover(key: str, source: _Source) -> None:
    heard, audio = source.heard, source.audio
    if not heard.segments or not current_actor().may_add:
        return
    with st.popover("Flag or add to test set", icon=":material/flag:", key=f"flag-{key}"):
        lines = range(len(heard.segments))
        i = st.selectbox(
            "Line",
            lines,
            format_func=lambda i: f"{line_clock(heard.segments[i].start)} {heard.segments[i].text}",
            key=f"flag-line-{key}",
            persist_state=KEPT,
        )
        line = heard.segments[i]
        before = next((s.text for s in source.shown.segments if s.start == line.start), line.text)
        field = typed(f"flag-said-{key}-{i}", before)
        said = st.text_area("What was said", max_chars=MAX_SAID, key=field, persist_state=KEPT)
        said = said.strip()
        language = line.language or heard.language or "en"
        stretch = Stretch(max(0.0, line.start - _MARGIN_S), line.end + _MARGIN_S)
        flag = Flag(
            "other", line.text, said, source.name, source.model, language, line.start, line.end
        )
        _flag_form(
            f"{key}-{i}", flag, (lambda: audio(stretch)) if audio else None, with_test_set=True
        )


def flag_trial(store: Store, key: str, trial: Trial, samples: Samples) -> None:
    """Of the test bench, where the words are known and the case is stored already."""
    if not store.actor.may_add:
        return
    with st.popover("Flag", icon=":material/flag:", key=f"flag-trial-{key}"):
        flag = Flag(
            "other", trial.text, trial.said, f"{trial.name}, {trial.condition.title}",
            trial.setup.title, trial.language, 0.0, trial.heard.audio_s,
        )  # fmt: skip
        _flag_form(f"trial-{key}", flag, lambda: samples, with_test_set=False)


def _flag_form(
    key: str, flag: Flag, audio: Callable[[], Samples] | None, *, with_test_set: bool
) -> None:
    reason = st.pills("Why", REASONS, key=f"why-{key}", persist_state=KEPT) or "other"
    note = st.text_input("Note", key=typed(f"note-{key}"), max_chars=500, persist_state=KEPT)
    if audio is None:
        st.caption("The recording was not kept, so a flag has no sound; turn it on in the sidebar.")
    if st.button("Store the flag", key=f"store-flag-{key}", icon=":material/flag:"):
        with saying_errors(lambda: st.toast("Flag stored.", icon=":material/flag:")):
            filled = replace(flag, reason=reason, note=note)
            open_store().acting(current_actor()).add_flag(filled, audio() if audio else None)
    if with_test_set and audio is not None:
        with saying_errors():
            tags = tag_fields(f"flag-{key}")
            if st.button("Add to test set", key=f"add-{key}", icon=":material/playlist_add:"):
                name = f"{shortened(flag.source, MAX_NAME - 20)} {line_clock(flag.start_s)}"
                new = NewCase(name, flag.corrected, audio(), flag.language, tags)
                open_store().acting(current_actor()).add_case(new)
                st.toast("Stored in the test set.", icon=":material/check:")
