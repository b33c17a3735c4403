"""What was said and what was heard, word by word."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator

import streamlit as st

from asr_core.testbench.alignment import Aligned, aligned
from asr_core.testbench.scores import normaliser
from asr_core.testbench.trial import Trial
from asr_core.transcript import join_words

__all__ = ["word_diff"]

_N_TIMES = 8
_TEXT = "line-height:1.7;overflow-wrap:anywhere"

# Seen on light and on dark ground; the line through or under tells the same as the colour.
_STYLES = {
    "left out": "background:rgba(220,38,38,.22);text-decoration:line-through",
    "heard": "background:rgba(22,163,74,.22);text-decoration:underline",
}


def word_diff(trial: Trial) -> None:
    """Draw what was said, struck through what was not heard, underlined what was instead."""
    pairs = aligned(trial.said, trial.heard.words, trial.language)
    if not pairs:
        st.caption("Nothing was said, and nothing heard.")
        return
    spans = " ".join(_spans(pairs))
    st.html(f'<p style="{_TEXT}">{spans}</p>{_as_compared(trial)}')
    times = list(dict.fromkeys(f"{pair.start_s:.1f}" for pair in pairs if pair.errors))
    if times:
        more = " …" if len(times) > _N_TIMES else ""
        st.caption(f"Wrong at {', '.join(times[:_N_TIMES])}{more} s")


def _as_compared(trial: Trial) -> str:
    """Return both texts as normalised: the errors are those between these."""
    normalise = normaliser(trial.language)
    rows = "".join(
        f'<div dir="auto" style="{_TEXT}">{title}: {html.escape(normalise(text)) or "–"}</div>'
        for title, text in (("Said", trial.said), ("Heard", trial.text))
    )
    return f"<details><summary>As compared</summary>{rows}</details>"


def _spans(pairs: Iterable[Aligned]) -> Iterator[str]:
    for pair in pairs:
        time = f"{pair.start_s:.1f} s"
        heard = join_words(pair.heard)
        if not pair.errors:
            yield f'<span title="{time}">{html.escape(pair.said or heard)}</span>'
            continue
        if pair.said:
            yield _span(pair.said, "left out", f"said at about {time}")
        if pair.heard:
            confidence = min(word.probability for word in pair.heard)
            yield _span(heard, "heard", f"heard at {time}, confidence {confidence:.0%}")


def _span(text: str, style: str, title: str) -> str:
    looks = f"{_STYLES[style]};border-radius:3px;padding:0 .2em"
    return f'<span style="{looks}" title="{title}">{html.escape(text)}</span>'
