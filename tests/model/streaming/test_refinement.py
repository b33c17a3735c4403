"""Ended recordings are transcribed once more as a whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from asr_core.audio.pcm import to_float32
from asr_core.engines.base import Engine
from asr_core.full_context import transcribe
from asr_core.ops.budget import Budget, Quota, Resource
from asr_core.streaming import LiveOptions, Recording, RecordingController, Scheduler
from asr_core.streaming.recording_controller import _controllers
from asr_core.streaming.replay import replay
from asr_core.streaming.session import LiveSession
from tests.support.engines import FailingEngine, HangingEngine
from tests.support.recordings import webrtc_frames

Eventually = Callable[..., None]


@pytest.fixture(autouse=True)
def close_what_tests_leave() -> Iterator[None]:
    yield
    for left in list(_controllers):  # private: there is no other list of them
        left.close()


def recorded(
    samples: np.ndarray,
    engine: Engine,
    budget: Budget | None = None,
    **options: bool,
) -> tuple[RecordingController, Recording]:
    """Return a controller and its ended recording of ``samples``."""
    controller = RecordingController(budget)
    controller.prepare(Scheduler(engine), LiveOptions(**{"refine": True, **options}))
    for frame in webrtc_frames(samples):
        controller.on_frame(frame)
    controller.on_ended()
    return controller, controller.all[-1]


def n_threads() -> int:
    return sum(thread.name == "asr-refine" for thread in threading.enumerate())


@pytest.mark.parametrize("keep_audio", [False, True])
def test_the_refined_transcript_is_that_of_full_context(
    two_cities: np.ndarray, tiny_engine: Engine, eventually: Eventually, keep_audio: bool
) -> None:
    """The audio is freed afterwards unless the user wants it; so is the thread."""
    half = two_cities[: 20 * 16_000]
    _, recording = recorded(half, tiny_engine, keep_audio=True)
    sound = recording.session.kept_audio()
    eventually(lambda: not recording.is_refining)

    _, recording = recorded(half, tiny_engine, keep_audio=keep_audio)
    eventually(lambda: not recording.is_refining)
    refinement = recording.refinement
    assert refinement is not None
    assert refinement.transcript == transcribe(sound, tiny_engine)
    assert refinement.error is None
    assert len(refinement.changed) == len(refinement.transcript.words)
    assert len(recording.session.kept_audio()) == (len(sound) if keep_audio else 0)
    eventually(lambda: n_threads() == 0)


def test_without_the_users_wish_nothing_is_kept_or_refined(
    beckett: np.ndarray, tiny_engine: Engine
) -> None:
    _, recording = recorded(beckett, tiny_engine, refine=False)
    assert recording.refinement is None
    assert len(recording.session.kept_audio()) == 0


def test_a_recording_too_long_to_keep_stays_as_it_was_written_live(
    beckett: np.ndarray, tiny_engine: Engine, eventually: Eventually
) -> None:
    budget = Budget({Resource.RECORDINGS: Quota(99_000, 99_000, "No room: {what} too much.")})
    _, recording = recorded(beckett, tiny_engine, budget)
    eventually(lambda: not recording.is_refining)
    assert recording.refinement is not None
    assert recording.refinement.transcript is None
    assert "longer than this server can keep" in (recording.refinement.error or "")
    assert recording.session.snapshot.committed_words
    assert budget.used(Resource.RECORDINGS, recording.refinement.owner) == 0


def test_a_model_that_fails_leaves_the_live_transcript(
    beckett: np.ndarray, tiny_engine: Engine, eventually: Eventually
) -> None:
    is_failing = threading.Event()
    engine = FailingEngine(tiny_engine, lambda windows: is_failing.is_set())
    controller = RecordingController()
    controller.prepare(Scheduler(engine), LiveOptions(refine=True))  # type: ignore[arg-type]
    for frame in webrtc_frames(beckett):
        controller.on_frame(frame)
    recording = controller.all[-1]
    recording.session.finish()
    assert recording.session.wait(60)
    is_failing.set()
    controller.end()
    eventually(lambda: not recording.is_refining)
    assert recording.refinement is not None
    assert "could not be refined" in (recording.refinement.error or "")
    assert recording.session.snapshot.committed_words


@pytest.mark.parametrize("how", ["cancel", "clear", "close"])
def test_a_refinement_ends_when_nobody_wants_it(
    beckett: np.ndarray, tiny_engine: Engine, eventually: Eventually, how: str
) -> None:
    """A fake for the fault: the model hangs, and the last words never come."""
    engine = HangingEngine(tiny_engine)
    controller, recording = recorded(beckett, engine)  # type: ignore[arg-type]
    assert recording.is_refining
    assert recording.refinement is not None
    {"cancel": recording.refinement.cancel, "clear": controller.clear, "close": controller.close}[
        how
    ]()
    eventually(lambda: n_threads() == 0)
    assert recording.refinement.transcript is None
    assert recording.refinement.error is None
    engine.go_on.set()


def test_packed_audio_is_the_audio_that_came(two_cities: np.ndarray) -> None:
    """What is longer than a minute is packed, and the reservation shrinks with it."""
    budget = Budget({})
    long = np.tile(two_cities, 4)
    session = LiveSession(
        LiveOptions(keep_audio=True), budget.reserve(Resource.RECORDINGS, 0, "me")
    )
    for at in range(0, len(long), 320):
        session.append(long[at : at + 320])
    kept = session.kept_audio()
    assert len(kept) == len(long)
    assert np.abs(to_float32(kept) - long).max() <= 0.5 / 32_768
    assert budget.used(Resource.RECORDINGS, "me") < 0.75 * kept.nbytes
    session.discard_audio()
    assert budget.used(Resource.RECORDINGS, "me") == 0


def test_replayed_audio_can_be_refined(beckett: np.ndarray, tiny_engine: Engine) -> None:
    from asr_core.streaming import refine

    session = LiveSession(LiveOptions(refine=True))
    list(replay([beckett], session, tiny_engine, speed=None))
    refined = refine(session, tiny_engine)
    assert "better" in refined.text.lower()
    assert refined.duration == pytest.approx(session.snapshot.audio_s)
