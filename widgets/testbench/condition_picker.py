"""Conditions: chosen, heard and looked at."""

from __future__ import annotations

import streamlit as st

from asr_core.audio.encode import to_flac, to_int16
from asr_core.plain_text import shortened
from asr_core.testbench.cases import Case
from asr_core.testbench.conditions import CLEAN, KINDS, Condition
from asr_core.testbench.spectrogram import spectrogram_png
from asr_core.testbench.store import MAX_NOISE_S, Store
from asr_core.testbench.trials import Plan
from widgets.testbench.opened import samples_of_upload, saying_errors
from widgets.testbench.pickers import page_of
from widgets.texts import as_written
from widgets.typed import KEPT, typed

__all__ = ["chosen_conditions", "own_noises", "preview"]

_PER_PAGE = 5  # each with its sound, two minutes at most


def _usual(store: Store) -> list[Condition]:
    usual = [
        Condition(name, value)
        for name, kind in KINDS.items()
        if name != "noise"
        for value in (kind.usual or (0.0,))
    ]
    own = [Condition("noise", v, n.name) for n in store.noises() for v in KINDS["noise"].usual]
    return usual + own


def chosen_conditions(store: Store) -> list[Condition]:
    """Draw the picker; a condition that is none is said, and left out."""
    chosen = st.multiselect(
        "Conditions", _usual(store), [CLEAN], format_func=lambda c: c.title, key="conditions",
        persist_state=KEPT,
    )  # fmt: skip
    others = st.text_input(
        "Others", key=typed("other-conditions"), persist_state=KEPT,
        placeholder="white:7, pitch:-8, room:0.4",
        help="Kind and how much: " + ", ".join(
            f"{name} ({kind.low:g} to {kind.high:g} {kind.unit})"
            for name, kind in KINDS.items() if kind.has_value
        ),
    )  # fmt: skip
    for text in filter(None, (part.strip() for part in others.split(","))):
        with saying_errors():
            chosen.append(Condition.parse(text))
    return list(dict.fromkeys(chosen))


def preview(store: Store, cases: list[Case]) -> None:
    """A case under a condition, to hear and to see."""
    case = st.selectbox(
        "Recording", cases, format_func=lambda c: shortened(c.said or c.name), key="preview-case"
    )
    condition = st.selectbox(
        "Condition", _usual(store), format_func=lambda c: c.title, key="preview-condition"
    )
    if case is None or condition is None:
        return
    with saying_errors():
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


def own_noises(store: Store) -> None:
    """Noises of the user's own: added, heard, deleted."""
    for noise in page_of(store.noises(), _PER_PAGE, "noise-page"):
        with saying_errors():
            st.markdown(f"**{as_written(noise.name)}** · {noise.seconds:.0f} s")
            st.audio(store.flac(noise.id), format="audio/flac")
            if store.actor.may_delete(noise.owner) and st.button(
                "Delete", key=f"noise-{noise.id}", icon=":material/delete:"
            ):
                store.delete_noise(noise.id)
                st.rerun()
    file = st.file_uploader("A recording of a noise", key="noise-file")
    name = st.text_input(
        "Its name", key=typed("noise-name"), placeholder="street", max_chars=40, persist_state=KEPT
    )
    if st.button("Store the noise", disabled=not (file and name), icon=":material/save:"):
        with saying_errors():
            assert file is not None
            store.add_noise(name.strip(), samples_of_upload(file, file.name, MAX_NOISE_S))
            st.rerun()
