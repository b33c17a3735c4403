"""What the page shows of a refined recording, without a browser."""

from __future__ import annotations

from datetime import UTC, datetime

from streamlit.testing.v1 import AppTest

from asr_core.streaming import LiveSession, Recording, Refinement
from asr_core.transcript import Segment, Transcript, Word
from tests.support.engines import CountingEngine


def choice() -> None:
    import streamlit as st

    from widgets.refinement import refinement_progress, shown_transcript

    recording = st.session_state["recording"]
    if recording.is_refining:
        refinement_progress(recording)
    shown = shown_transcript(recording)
    st.text(f"{shown.transcript.text}|{shown.version}|{list(shown.changed)}")


def page(refinement: Refinement) -> AppTest:
    app = AppTest.from_function(choice, default_timeout=30)
    app.session_state["recording"] = Recording(
        1, refinement.session, refinement.engine, datetime.now(UTC), refinement=refinement
    )
    return app.run()


def refinement(**done: object) -> Refinement:
    made = Refinement(LiveSession(), CountingEngine())  # type: ignore[arg-type]
    for name, value in done.items():
        setattr(made, name, value)
    return made


def transcript(text: str) -> Transcript:
    words = [Word(f" {word}", i, i + 1, 1) for i, word in enumerate(text.split())]
    return Transcript((Segment.from_words(words),), 9.0)


def test_the_refined_transcript_is_shown_and_the_live_one_is_a_click_away() -> None:
    done = refinement(transcript=transcript("Ever tried"), changed=(False, True), is_over=True)
    app = page(done)
    assert app.text[0].value == "Ever tried|Refined|[False, True]"
    app.segmented_control[0].set_value("Live").run()
    assert app.text[0].value == "||[]"


def test_a_transcript_that_needed_no_change_says_so() -> None:
    app = page(refinement(transcript=Transcript((), 9.0), is_over=True))
    assert "no change" in app.caption[0].value
    assert not app.segmented_control


def test_a_refinement_that_failed_says_why() -> None:
    app = page(refinement(error="The model failed.", is_over=True))
    assert app.caption[0].value.replace("\\", "") == "The model failed."


def test_a_running_refinement_can_be_cancelled() -> None:
    running = refinement(fraction_done=0.4)
    app = page(running)
    app.button[0].click().run()
    assert running._cancel.is_set()  # private: nothing runs that would end
