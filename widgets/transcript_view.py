"""Transcript as lines with times, growing or finished.

One component draws both. It keeps the lines it has, so a live page sends only the newest ones,
whatever the length of the session.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from asr_core.output.subtitles import speaker_label
from asr_core.streaming import Phase, Snapshot
from asr_core.transcript import Segment, join_words
from widgets.frontend import define_component
from widgets.kept_words import storage_key

__all__ = ["finished_view", "format_clock", "growing_view", "live_view"]

# Finished lines sent with each update of a growing transcript.
_TAIL_LINES = 20

# Lag from which the page mentions it; less is the pace of the updates.
_REPORTED_LAG_S = 2.0

_component = define_component("transcript_view")


def finished_view(
    name: str,
    segments: Sequence[Segment],
    empty: str,
    version: str = "",
    changed: Sequence[bool] = (),
) -> None:
    """Draw all lines of a recording, or ``empty`` if it has none.

    Args:
        name: of the recording.
        segments: its lines.
        empty: drawn if there are none.
        version: of the transcript; the lines of another one are replaced.
        changed: for each word if it is marked for a moment; none is without.
    """
    lines: list[dict[str, Any]] = [*_lines(segments)]
    if any(changed):
        marks = iter(changed)
        for line, segment in zip(lines, segments, strict=True):
            line["words"] = [[word.text, next(marks)] for word in segment.words]
    _component(
        data={
            "id": name + version,
            "first": 0,
            "lines": lines,
            "empty": empty,
            "keep": storage_key(name),
        },
        key=f"view-{name}",
        on_resend_change=_ignore,
    )


def live_view(name: str, snapshot: Snapshot, empty: str, remaining_s: float | None) -> None:
    """Draw a running recording: level meter, clock, status and words."""
    _growing(
        name,
        snapshot.segments,
        {
            "openTime": _start_time(snapshot.committed, snapshot.tentative),
            "committed": join_words(snapshot.committed),
            "tentative": _tentative(snapshot),
            "empty": empty,
            "head": _head(snapshot, remaining_s),
            "keep": storage_key(name),
        },
    )


def growing_view(name: str, segments: Sequence[Segment]) -> None:
    """Draw the lines of a file that is being transcribed."""
    _growing(name, segments, {})


def _growing(name: str, segments: Sequence[Segment], rest: dict[str, Any]) -> None:
    """Send the newest lines, or all if the browser asked for them."""
    resend_key = f"resend-{name}"
    all_lines = st.session_state.pop(resend_key, False)
    first = 0 if all_lines else max(0, len(segments) - _TAIL_LINES)
    lines = _lines(segments[first:])
    result = _component(
        data={"id": name, "live": True, "first": first, "lines": lines, **rest},
        key=f"view-{name}",
        on_resend_change=_ignore,
    )
    if result.resend:
        st.session_state[resend_key] = True


def _ignore() -> None:
    """Do nothing; Streamlit delivers a trigger only if it has a callback."""


def _lines(segments: Sequence[Segment]) -> list[dict[str, str]]:
    return [
        {"time": format_clock(segment.start), "text": speaker_label(segment.speaker) + segment.text}
        for segment in segments
    ]


def _start_time(*words: Sequence[Any]) -> str:
    first = next((group[0] for group in words if group), None)
    return format_clock(first.start) if first else ""


def _tentative(snapshot: Snapshot) -> str:
    text = "".join(word.text for word in snapshot.tentative)
    return text if snapshot.committed else text.strip()


def _head(snapshot: Snapshot, remaining_s: float | None) -> dict[str, Any]:
    finishing = snapshot.phase is not Phase.LISTENING
    status = "Finishing the last words…" if finishing else "Listening"
    if snapshot.lag_s > _REPORTED_LAG_S:
        status += f" · behind by {snapshot.lag_s:.1f} s"
    if remaining_s is not None and not finishing:
        status += f" · stops in {format_clock(max(0.0, remaining_s))}"
    return {
        "status": status,
        "dot": "busy" if finishing or snapshot.lag_s > _REPORTED_LAG_S else "on",
        "clock": format_clock(snapshot.audio_s),
        "level": -60.0 if finishing else snapshot.level_dbfs,
    }


def format_clock(seconds: float) -> str:
    """Return the start time of a line, such as ``0:07`` or ``1:02:07``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
