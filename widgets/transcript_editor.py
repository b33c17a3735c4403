"""Editor of a finished transcript, connected to its player.

A click on a word plays from there. The word being played and words of low confidence are marked.
Lines can be corrected in place. Corrections are kept in the browser's tab until the server has
them, and a download pressed meanwhile waits for that.
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

_MAX_DIGITS = 7  # of a line number

# Words of lower probability are marked.
_LOW_CONFIDENCE = 0.5

_component = define_component("transcript_editor")


def transcript_editor(
    name: str,
    original: Transcript,
    texts: dict[int, str],
    corrected: Transcript,
    player: str,
    downloads: str,
) -> None:
    """Draw a transcript, and put corrections into ``texts`` as they are typed.

    Args:
        name: key of the transcript.
        original: transcript by the model, with at least one word.
        texts: corrections by line index; an empty text removes the line.
        corrected: ``original`` with the corrections.
        player: key of the container with the ``st.audio`` or ``st.video``.
        downloads: key of the container with the downloads, which wait for corrections.
    """
    key = f"editor-{name}"

    def save() -> None:
        _save(texts, original, st.session_state[key]["texts"])

    result = _component(
        data={
            "id": name,
            "player": player,
            "downloads": downloads,
            "at": _last_edit(st.session_state.get(key)),
            "lines": _lines(original, texts, corrected),
        },
        key=key,
        on_texts_change=save,
    )
    # If the server lost the session, the tab sends what was typed meanwhile.
    if _save(texts, original, result.get("texts")):
        st.rerun()


def _last_edit(state: Any) -> int:
    """Return when the latest edit received was made, on the browser's clock in ms; 0 for none."""
    typed = state.get("texts") if isinstance(state, Mapping) else None
    at = typed.get("at") if isinstance(typed, Mapping) else None
    return at if isinstance(at, int) else 0


def _save(texts: dict[int, str], original: Transcript, typed: Any) -> bool:
    """Put the browser's corrections into ``texts``; return True if that changed them."""
    before = dict(texts)
    for line, text in typed.items() if isinstance(typed, Mapping) else ():
        i = int(line) if line.isdecimal() and len(line) < _MAX_DIGITS else len(original.segments)
        if i >= len(original.segments):
            continue
        if isinstance(text, str) and _normalise_spaces(text) != _normalise_spaces(
            original.segments[i].text
        ):
            texts[i] = _normalise_spaces(text)
        else:
            texts.pop(i, None)
    return texts != before


def _normalise_spaces(text: str) -> str:
    return " ".join(text.split())


def _lines(
    original: Transcript, texts: Mapping[int, str], corrected: Transcript
) -> list[dict[str, Any]]:
    """Return the lines of ``original`` with the words of ``corrected``; none where removed."""
    remaining = iter(corrected.segments)
    return [
        _line(segment, None if texts.get(i) == "" else next(remaining), texts.get(i))
        for i, segment in enumerate(original.segments)
    ]


def _line(original: Segment, corrected: Segment | None, typed: str | None) -> dict[str, Any]:
    words = [
        (word.text, round(word.start, 2), _low_confidence(word.probability))
        for word in (corrected.words if corrected else ())
    ]
    return {
        "time": format_clock(original.start),
        "start": round(original.start, 2),
        "language": LANGUAGES.get(original.language or ""),
        "speaker": original.speaker,
        "words": words,
        "typed": typed,
        "original": None if typed is None else original.text.strip(),
    }


def _low_confidence(probability: float) -> float | None:
    return round(probability, 2) if probability < _LOW_CONFIDENCE else None
