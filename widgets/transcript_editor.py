"""A finished transcript beside its player: listen, find, correct.

A word that is clicked is where the player jumps; the word being played is marked, and
so is what the model doubted. Lines can be rewritten in place. What is typed is kept in the tab
until the server has it, and a download that is pressed before waits for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from asr_core.languages import LANGUAGES
from asr_core.transcript import Segment, Transcript
from widgets.frontend import define_component
from widgets.transcript_view import format_clock

__all__ = ["transcript_editor"]

_MOST_DIGITS = 7  # of the number of a line

DOUBTFUL = 0.5
"""A word that the model gives a lower probability is marked."""

_component = define_component("transcript_editor")


def transcript_editor(
    name: str,
    heard: Transcript,
    texts: dict[int, str],
    shown: Transcript,
    player: str,
    saves: str,
) -> None:
    """Draw a transcript; what the user corrects is put into ``texts``, as soon as it is typed.

    Args:
        name: of the transcript, for keys.
        heard: what the model made of the recording; some words at least.
        texts: corrections so far, by the index of the line; an empty one removes it.
        shown: ``heard`` with the corrections.
        player: key of the container with the ``st.audio`` or ``st.video``.
        saves: key of the container with the downloads, which wait for what is typed.
    """
    key = f"editor-{name}"

    def save() -> None:
        _take(texts, heard, st.session_state[key]["texts"])

    result = _component(
        data={
            "id": name,
            "player": player,
            "saves": saves,
            "at": _typed_at(st.session_state.get(key)),
            "lines": _lines(heard, texts, shown),
        },
        key=key,
        on_texts_change=save,
    )
    # The server may have lost the session, and the tab tells it what was typed meanwhile.
    if _take(texts, heard, result.get("texts")):
        st.rerun()


def _typed_at(state: Any) -> int:
    """Return when what the browser has told was typed, on its clock; 0 for nothing."""
    typed = state.get("texts") if isinstance(state, Mapping) else None
    at = typed.get("at") if isinstance(typed, Mapping) else None
    return at if isinstance(at, int) else 0


def _take(texts: dict[int, str], heard: Transcript, typed: Any) -> bool:
    """Put what the browser tells into ``texts``; False if it was there already."""
    before = dict(texts)
    for line, text in typed.items() if isinstance(typed, Mapping) else ():
        i = int(line) if line.isdecimal() and len(line) < _MOST_DIGITS else len(heard.segments)
        if i >= len(heard.segments):
            continue
        if isinstance(text, str) and _spaced(text) != _spaced(heard.segments[i].text):
            texts[i] = _spaced(text)
        else:
            texts.pop(i, None)
    return texts != before


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _lines(heard: Transcript, texts: Mapping[int, str], shown: Transcript) -> list[dict[str, Any]]:
    """Every line of ``heard``, as it is in ``shown``; without words where it was removed."""
    left = iter(shown.segments)
    return [
        _line(segment, None if texts.get(i) == "" else next(left), texts.get(i))
        for i, segment in enumerate(heard.segments)
    ]


def _line(heard: Segment, shown: Segment | None, typed: str | None) -> dict[str, Any]:
    words = [
        (word.text, round(word.start, 2), _doubt(word.probability))
        for word in (shown.words if shown else ())
    ]
    return {
        "time": format_clock(heard.start),
        "start": round(heard.start, 2),
        "language": LANGUAGES.get(heard.language or ""),
        "speaker": heard.speaker,
        "words": words,
        "typed": typed,
        "heard": None if typed is None else heard.text.strip(),
    }


def _doubt(probability: float) -> float | None:
    return round(probability, 2) if probability < DOUBTFUL else None
