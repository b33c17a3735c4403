"""Word-by-word difference between reference and hypothesis."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator

import streamlit as st

from asr_core.evaluation.alignment import AlignedWord, align
from asr_core.evaluation.metrics import normaliser
from asr_core.evaluation.trial import Trial
from asr_core.transcript import join_words

__all__ = ["word_diff"]

_N_TIMES = 8
_TEXT = "line-height:1.7;overflow-wrap:anywhere"

# Readable on light and dark; the line through or under repeats what the colour shows.
_STYLES = {
    "deleted": "background:rgba(220,38,38,.22);text-decoration:line-through",
    "inserted": "background:rgba(22,163,74,.22);text-decoration:underline",
}


def word_diff(trial: Trial) -> None:
    """Draw the reference, with missed words struck through and the recognised ones underlined."""
    pairs = align(trial.reference, trial.result.words, trial.language)
    if not pairs:
        st.caption("No speech, and none was recognised.")
        return
    spans = " ".join(_spans(pairs))
    st.html(f'<p style="{_TEXT}">{spans}</p>{_normalised_texts(trial)}')
    times = list(dict.fromkeys(f"{pair.start_s:.1f}" for pair in pairs if pair.n_errors))
    if times:
        more = "…" if len(times) > _N_TIMES else ""
        st.caption(f"Errors at {', '.join(times[:_N_TIMES])}{more} s")


def _normalised_texts(trial: Trial) -> str:
    """Return both normalised texts, between which the errors are counted."""
    normalise = normaliser(trial.language)
    rows = "".join(
        f'<div dir="auto" style="{_TEXT}">{title}: {html.escape(normalise(text)) or "–"}</div>'
        for title, text in (("Reference", trial.reference), ("Hypothesis", trial.text))
    )
    return f"<details><summary>Normalised texts</summary>{rows}</details>"


def _spans(pairs: Iterable[AlignedWord]) -> Iterator[str]:
    for pair in pairs:
        time = f"{pair.start_s:.1f} s"
        hypothesis = join_words(pair.hypothesis)
        if not pair.n_errors:
            yield f'<span title="{time}">{html.escape(pair.reference or hypothesis)}</span>'
            continue
        if pair.reference:
            yield _span(pair.reference, "deleted", f"reference, at about {time}")
        if pair.hypothesis:
            confidence = min(word.probability for word in pair.hypothesis)
            yield _span(
                hypothesis, "inserted", f"recognised at {time}, confidence {confidence:.0%}"
            )


def _span(text: str, style: str, title: str) -> str:
    css = f"{_STYLES[style]};border-radius:3px;padding:0 .2em"
    return f'<span style="{css}" title="{title}">{html.escape(text)}</span>'
