"""Conditions: picker, preview, and the user's noises."""

from __future__ import annotations

import streamlit as st

from asr_core.audio.encode import to_flac
from asr_core.audio.pcm import to_int16
from asr_core.evaluation.cases import Case
from asr_core.evaluation.conditions import CLEAN, CONDITION_TYPES, Condition
from asr_core.evaluation.experiment import Plan
from asr_core.evaluation.spectrogram import spectrogram_png
from asr_core.evaluation.store import MAX_NOISE_S, Store
from asr_core.text.plain_text import shorten
from widgets.markdown import escape_markdown
from widgets.testbench.pickers import paginate
from widgets.testbench.store_access import decode_upload, show_errors
from widgets.text_fields import PERSIST, field_key

__all__ = ["choose_conditions", "noise_library", "preview"]

_NOISES_PER_PAGE = 5  # each with its audio, two minutes at most


def _default_conditions(store: Store) -> list[Condition]:
    usual = [
        Condition(name, value)
        for name, kind in CONDITION_TYPES.items()
        if name != "noise"
        for value in (kind.usual or (0.0,))
    ]
    own = [
        Condition("noise", v, n.name)
        for n in store.noises()
        for v in CONDITION_TYPES["noise"].usual
    ]
    return usual + own


def choose_conditions(store: Store) -> list[Condition]:
    """Draw the picker and return the conditions; an invalid one is reported and left out."""
    chosen = st.multiselect(
        "Conditions", _default_conditions(store), [CLEAN], format_func=lambda c: c.title, key="conditions",
        persist_state=PERSIST,
    )  # fmt: skip
    others = st.text_input(
        "Other conditions", key=field_key("other-conditions"), persist_state=PERSIST,
        placeholder="white:7, pitch:-8, room:0.4",
        help="Type and amount: " + ", ".join(
            f"{name} ({kind.low:g} to {kind.high:g} {kind.unit})"
            for name, kind in CONDITION_TYPES.items() if kind.has_value
        ),
    )  # fmt: skip
    for text in filter(None, (part.strip() for part in others.split(","))):
        with show_errors():
            chosen.append(Condition.parse(text))
    return list(dict.fromkeys(chosen))


def preview(store: Store, cases: list[Case]) -> None:
    """Draw a case under a condition: player and spectrogram."""
    case = st.selectbox(
        "Recording", cases, format_func=lambda c: shorten(c.reference or c.name), key="preview-case"
    )
    condition = st.selectbox(
        "Condition",
        _default_conditions(store),
        format_func=lambda c: c.title,
        key="preview-condition",
    )
    if case is None or condition is None:
        return
    with show_errors():
        noises = {n.name: store.samples(n.id) for n in store.noises() if n.name == condition.noise}
        plan = Plan(cases, [condition], [], lambda c: store.samples(c.id), noises)
        samples = plan.audio(case, condition)
        st.audio(to_flac(to_int16(samples)), format="audio/flac")
        st.image(
            spectrogram_png(samples),
            caption=f"Spectrogram: 0 to 8 kHz from bottom to top, {len(samples) / 16000:.1f} s "
            "from left to right, brighter is louder (80 dB).",
            width="stretch",
        )


def noise_library(store: Store) -> None:
    """Draw the user's noises: play, add, delete."""
    for noise in paginate(store.noises(), _NOISES_PER_PAGE, "noise-page"):
        with show_errors():
            st.markdown(f"**{escape_markdown(noise.name)}** · {noise.seconds:.0f} s")
            st.audio(store.flac(noise.id), format="audio/flac")
            if store.actor.may_delete(noise.owner) and st.button(
                "Delete", key=f"noise-{noise.id}", icon=":material/delete:"
            ):
                store.delete_noise(noise.id)
                st.rerun()
    file = st.file_uploader("Noise recording", key="noise-file")
    name = st.text_input(
        "Name of the noise",
        key=field_key("noise-name"),
        placeholder="street",
        max_chars=40,
        persist_state=PERSIST,
    )
    if st.button("Store the noise", disabled=not (file and name), icon=":material/save:"):
        with show_errors():
            assert file is not None
            store.add_noise(name.strip(), decode_upload(file, file.name, MAX_NOISE_S))
            st.rerun()
