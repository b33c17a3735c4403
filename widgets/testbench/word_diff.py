"""What was said and what was heard, word by word."""

from __future__ import annotations

import html
from collections.abc import Iterable

import streamlit as st

from asr_core.testbench.scores import Aligned, aligned
from asr_core.testbench.trial import Trial

__all__ = ["word_diff"]

_N_TIMES = 8

# Seen on light and on dark ground; the line through or under tells the same as the colour.
_STYLES = {
    "left out": "background:rgba(220,38,38,.22);text-decoration:line-through",
    "heard": "background:rgba(22,163,74,.22);text-decoration:underline",
}


def word_diff(trial: Trial) -> None:
    """Struck through what was said and not heard, underlined what was heard instead."""
    pairs = aligned(trial.said, trial.heard.words, trial.language)
    if not pairs:
        st.caption("Nothing was said, and nothing heard.")
        return
    spans = " ".join(_spans(pairs))
    st.html(f'<p style="line-height:1.7;overflow-wrap:anywhere">{spans}</p>')
    times = list(dict.fromkeys(f"{pair.start_s:.1f}" for pair in pairs if not pair.is_right))
    if times:
        more = " …" if len(times) > _N_TIMES else ""
        st.caption(f"Wrong at {', '.join(times[:_N_TIMES])}{more} s")


def _spans(pairs: Iterable[Aligned]) -> Iterable[str]:
    for pair in pairs:
        time = f"{pair.start_s:.1f} s"
        if pair.is_right:
            yield f'<span title="{time}">{html.escape(pair.said)}</span>'
            continue
        if pair.said:
            yield _span(pair.said, "left out", f"said at about {time}")
        if pair.heard is not None:
            confidence = f"heard at {time}, confidence {pair.heard.probability:.0%}"
            yield _span(pair.heard.text.strip(), "heard", confidence)


def _span(text: str, style: str, title: str) -> str:
    looks = f"{_STYLES[style]};border-radius:3px;padding:0 .2em"
    return f'<span style="{looks}" title="{title}">{html.escape(text)}</span>'
