from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from fractions import Fraction

import av
import numpy as np
import pytest

from asr_core.engines.base import Engine
from asr_core.errors import LimitError
from asr_core.ops.budget import Budget, Quota, Resource
from asr_core.rtc.gap_detector import CLOCK_SLACK_S
from asr_core.streaming import LiveOptions, RecordingController, Scheduler
from asr_core.streaming.admission import AdmissionQueue
from asr_core.streaming.recording_controller import CONNECT_S, HELD_OPEN_S, _controllers
from tests.support.engines import CountingEngine
from tests.support.recordings import webrtc_frames
from tests.support.texts import BECKETT, word_error_rate


@pytest.fixture(autouse=True)
def close_what_tests_leave() -> Iterator[None]:
    """Close all controllers, which the watchdog would otherwise check until the process ends."""
    yield
    for left in list(_controllers):  # private: there is no other list of them
        left.close()


@pytest.fixture
def controller(tiny_engine: Engine) -> RecordingController:
    controller = RecordingController()
    controller.prepare(Scheduler(tiny_engine), LiveOptions(keep_audio=True))
    return controller


def test_each_start_is_a_recording_of_its_own(
    controller: RecordingController, beckett: np.ndarray
) -> None:
    for _ in range(2):
        for frame in webrtc_frames(beckett):
            controller.on_frame(frame)
        assert controller.running is controller.all[-1]
        controller.on_ended()
        assert controller.running is None
        assert controller.all[-1].session.wait(60)
    assert [recording.number for recording in controller.all] == [1, 2]
    for recording in controller.all:
        assert word_error_rate(BECKETT, recording.session.snapshot.transcript().text) < 0.35
        assert len(recording.session.kept_audio()) == pytest.approx(len(beckett), abs=400)


def test_times_stay_on_the_clock_when_packets_are_lost(
    controller: RecordingController, beckett: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WallClock(monkeypatch)
    for number, frame in enumerate(webrtc_frames(beckett)):
        frame.pts, frame.time_base = 960 * number, Fraction(1, 48_000)
        clock.now += 0.02
        if not (100 <= number < 150 or number == 300):
            controller.on_frame(frame)
    controller.on_ended()
    [recording] = controller.all
    assert recording.session.wait(60)
    assert len(recording.session.kept_audio()) == pytest.approx(len(beckett), abs=400)
    [first, second] = recording.lost
    assert first == pytest.approx((2.0, 1.0), abs=0.01)
    assert second == pytest.approx((6.0, 0.02), abs=0.01)
    assert "better" in recording.session.snapshot.transcript().text.lower()


def test_a_lost_packet_sounds_like_the_one_before(controller: RecordingController) -> None:
    tone = np.sin(np.arange(32_000) * 2 * np.pi * 200 / 16_000).astype(np.float32) / 2
    for number, frame in enumerate(webrtc_frames(tone)):
        frame.pts, frame.time_base = 960 * number, Fraction(1, 48_000)
        if number != 50:
            controller.on_frame(frame)
    controller.on_ended()
    [recording] = controller.all
    samples = recording.session.kept_audio()
    quietest = np.abs(samples[8_000:24_000].reshape(-1, 80)).max(axis=1).min()
    assert quietest > 32767 / 2 * 0.7


class WallClock:
    """A fake for ``time.monotonic``, so that no test waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.monotonic()
        monkeypatch.setattr(
            "asr_core.streaming.recording_controller.time.monotonic", lambda: self.now
        )

    def speak(
        self, controller: RecordingController, frames: list[av.AudioFrame], wire: Wire | None = None
    ) -> None:
        for frame in frames:
            self.now += 0.02
            controller.on_frame(frame, wire)


class Wire:
    """A stand-in for a connection that counts its calls."""

    n_hung_up = 0

    def hang_up(self) -> None:
        self.n_hung_up += 1


def test_a_recording_goes_on_after_a_lost_connection(
    controller: RecordingController, beckett: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, audio = WallClock(monkeypatch), webrtc_frames(beckett)
    clock.speak(controller, audio[:200])
    clock.now += 6.0  # the browser finds the connection broken
    controller.on_ended()
    assert controller.is_interrupted
    controller.on_ended()  # a first attempt to reconnect fails
    clock.now += 4.0
    clock.speak(controller, audio[200:])
    assert not controller.is_interrupted
    controller.on_ended()
    assert controller.running is None
    [recording] = controller.all
    assert recording.session.wait(60)
    assert len(recording.session.kept_audio()) == pytest.approx(len(beckett) + 10 * 16_000, abs=800)
    [gap] = recording.lost
    assert gap == pytest.approx((4.0, 10.0), abs=0.05)
    words = recording.session.snapshot.committed_words
    assert [w for w in words if w.start > 14.0]
    assert not [w for w in words if 5.0 < w.start < 13.5]


def test_a_connection_that_stays_away_ends_the_recording(
    controller: RecordingController, beckett: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, audio = WallClock(monkeypatch), webrtc_frames(beckett)
    monkeypatch.setattr("asr_core.streaming.recording_controller.HELD_OPEN_S", 6.2)
    n_threads = threading.active_count()
    clock.speak(controller, audio[:200])
    clock.now += 6.0
    controller.on_ended()
    assert controller.is_interrupted
    clock.now += 1.0
    [recording] = controller.all
    assert recording.session.wait(60)
    assert (controller.running, controller.is_interrupted) == (None, False)
    assert recording.session.snapshot.audio_s == pytest.approx(4.0, abs=0.05)
    while threading.active_count() > n_threads:
        time.sleep(0.05)


def test_a_lost_recording_can_be_ended_by_hand(
    controller: RecordingController, beckett: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WallClock(monkeypatch)
    clock.speak(controller, webrtc_frames(beckett)[:100])
    clock.now += 6.0
    controller.on_ended()
    controller.end()
    assert not controller.is_interrupted
    assert controller.all[0].session.wait(60)
    clock.speak(controller, webrtc_frames(beckett)[:10])
    assert len(controller.all) == 2
    controller.on_ended()


def test_clear_forgets_all_but_the_running_recording(
    controller: RecordingController, beckett: np.ndarray
) -> None:
    some = webrtc_frames(beckett)[:10]
    controller.on_frame(some[0])
    controller.on_ended()
    controller.on_frame(some[1])
    controller.clear()
    assert [recording.number for recording in controller.all] == [2]
    controller.on_ended()
    controller.clear()
    assert controller.all == []


def test_a_time_limit_ends_the_recording(
    tiny_engine: Engine, beckett: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller, wire = RecordingController(), Wire()
    controller.prepare(Scheduler(tiny_engine), LiveOptions(), limit_s=2.0)
    controller.on_connecting(wire)
    WallClock(monkeypatch).speak(controller, webrtc_frames(beckett), wire)
    [recording] = controller.all
    assert recording.session.snapshot.audio_s == pytest.approx(2.0, abs=0.05)
    controller.on_ended(wire)
    assert recording.session.wait(30)


def test_audio_without_a_model_is_not_an_error(beckett: np.ndarray) -> None:
    controller = RecordingController()
    controller.on_frame(webrtc_frames(beckett)[0])
    controller.on_ended()
    assert controller.all == []


def test_a_speaker_who_finds_all_places_taken_waits_and_is_admitted(
    tiny_engine: Engine, beckett: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = Scheduler(tiny_engine)
    monkeypatch.setattr(scheduler, "capacity", lambda: 1)
    scheduler.admission = AdmissionQueue(scheduler.capacity)
    first, second = RecordingController(), RecordingController()
    audio = webrtc_frames(beckett)
    for controller in (first, second):
        controller.prepare(scheduler, LiveOptions())
        controller.on_frame(audio[0])
    assert (first.queue_position, first.running is not None) == (None, True)
    assert second.running is None
    assert second.queue_position is not None
    assert second.queue_position[0] == 1
    first.on_ended()
    for frame in audio:
        second.on_frame(frame)
    assert second.queue_position is None
    second.on_ended()
    [recording] = second.all
    assert recording.session.wait(60)
    assert word_error_rate(BECKETT, recording.session.snapshot.transcript().text) < 0.35
    assert scheduler.admission.n_admitted == 0


def _scheduler() -> Scheduler:
    """Return a scheduler with a fake model: these tests are not about words."""
    return Scheduler(CountingEngine(), start=False)


def _ready(
    scheduler: Scheduler | None = None,
    *,
    limit_s: float | None = None,
    budget: Budget | None = None,
    **options: bool,
) -> RecordingController:
    """Return a controller ready to record."""
    controller = RecordingController(budget)
    controller.prepare(scheduler or _scheduler(), LiveOptions(**options), limit_s)
    return controller


def _silence(seconds: float) -> list[av.AudioFrame]:
    return webrtc_frames(np.zeros(round(16_000 * seconds), np.float32))


def test_a_recording_ends_by_its_time_limit_without_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, controller, wire = WallClock(monkeypatch), _ready(limit_s=30.0), Wire()
    controller.on_connecting(wire)
    clock.speak(controller, _silence(0.5), wire)
    assert controller.check(clock.now + 28)
    assert controller.running is not None
    assert not controller.check(clock.now + 30)
    assert (controller.running, wire.n_hung_up) == (None, 1)
    assert "time limit" in (controller.notice or "")
    assert controller.was_hung_up() and not controller.was_hung_up()
    clock.speak(controller, _silence(1.0), wire)  # late audio starts no new recording
    assert len(controller.all) == 1
    controller.on_ended(wire)
    again = Wire()
    controller.on_connecting(again)
    clock.speak(controller, _silence(0.1), again)
    assert (len(controller.all), controller.notice) == (2, None)


def test_half_a_second_of_audio_does_not_keep_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, scheduler, wire = WallClock(monkeypatch), _scheduler(), Wire()
    controller = _ready(scheduler)
    controller.on_connecting(wire)
    clock.speak(controller, _silence(0.5), wire)
    assert scheduler.admission.n_admitted == 1
    controller.check(clock.now + HELD_OPEN_S - 1)
    assert scheduler.admission.n_admitted == 1
    controller.check(clock.now + HELD_OPEN_S + 1)
    assert scheduler.admission.n_admitted == 0
    assert (controller.running, wire.n_hung_up) == (None, 1)
    assert "no sound came" in (controller.notice or "")


def test_minutes_of_digital_silence_end_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, controller, wire = WallClock(monkeypatch), _ready(), Wire()
    controller.on_connecting(wire)
    loud = webrtc_frames(np.full(16_000, 0.1, np.float32))
    minute = _silence(60.0)
    for _ in range(2):
        clock.speak(controller, loud, wire)
        for _ in range(4):
            clock.speak(controller, minute, wire)
            assert controller.check(clock.now)
    clock.speak(controller, _silence(61.0), wire)
    assert not controller.check(clock.now)
    assert (controller.running, wire.n_hung_up) == (None, 1)
    assert "silence" in (controller.notice or "")


def test_a_connection_without_audio_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, scheduler, wire = WallClock(monkeypatch), _scheduler(), Wire()
    controller = _ready(scheduler)
    controller.on_connecting(wire)
    assert controller.check(clock.now + CONNECT_S - 1)
    assert not controller.check(clock.now + CONNECT_S + 1)
    assert wire.n_hung_up == 1
    assert scheduler.admission.n_waiting == 0


def test_deadlines_are_checked_without_any_call(
    monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    """The watchdog's thread runs only while there is something to end."""
    controller, wire = _ready(limit_s=0.2), Wire()
    controller.on_connecting(wire)
    controller.on_frame(_silence(0.02)[0], wire)
    eventually(lambda: controller.running is None and wire.n_hung_up == 1)
    eventually(lambda: "asr-watch" not in [thread.name for thread in threading.enumerate()])


def test_a_connection_that_is_replaced_neither_speaks_nor_ends_the_recording(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, controller, old, new = WallClock(monkeypatch), _ready(), Wire(), Wire()
    controller.on_connecting(old)
    clock.speak(controller, _silence(1.0), old)
    controller.on_connecting(new)
    assert old.n_hung_up == 1
    clock.speak(controller, _silence(1.0), old)
    controller.on_ended(old)
    clock.speak(controller, _silence(1.0), new)
    [recording] = controller.all
    assert controller.running is recording
    assert recording.session.snapshot.audio_s == pytest.approx(
        3.0, abs=0.1
    )  # of which a second was lost


def test_one_user_records_on_two_pages_at_most() -> None:
    budget = Budget({})
    scheduler = Scheduler(CountingEngine(), start=False, budget=budget)
    pages = [RecordingController(), RecordingController(), RecordingController()]
    for page in pages:
        page.owner = "greedy"
        page.prepare(scheduler, LiveOptions())
    for page in pages[:2]:
        page.on_connecting(Wire())
    with pytest.raises(LimitError, match="on other pages"):
        pages[2].on_connecting(Wire())


def test_a_visitor_gets_no_connection_when_the_queue_is_full() -> None:
    scheduler = Scheduler(CountingEngine(), start=False)
    crowd = [RecordingController() for _ in range(20)]
    n_refused = 0
    for controller in crowd:
        controller.prepare(scheduler, LiveOptions())
        try:
            controller.on_connecting(Wire())
        except LimitError:
            n_refused += 1
    assert n_refused == 18
    assert scheduler.admission.n_waiting == 2


def test_a_connection_is_closed_when_the_queue_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """All connect before any audio arrives, and each waits longer than the queue remembers."""
    clock = WallClock(monkeypatch)
    scheduler = Scheduler(CountingEngine(), start=False, clock=lambda: clock.now)
    crowd = [(RecordingController(), Wire()) for _ in range(9)]
    for controller, wire in crowd:
        controller.prepare(scheduler, LiveOptions())
        controller.on_connecting(wire)
        clock.now += 11
    for controller, wire in crowd:
        clock.speak(controller, _silence(0.02), wire)
    assert sum(controller.running is not None for controller, _ in crowd) == 1
    assert sum(controller.queue_position is not None for controller, _ in crowd) == 2
    assert sum(wire.n_hung_up for _, wire in crowd) == 6


def test_jumping_time_stamps_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, controller = WallClock(monkeypatch), _ready(keep_audio=True)
    for number, frame in enumerate(_silence(40.0)):
        frame.pts, frame.time_base = 119 * 48_000 * number, Fraction(1, 48_000)
        clock.speak(controller, [frame])
    [recording] = controller.all
    assert recording.session.snapshot.audio_s < 40 + CLOCK_SLACK_S + 0.1
    assert len(recording.session.kept_audio()) < 16_000 * (40 + CLOCK_SLACK_S + 0.1)
    assert recording.too_fast_s > 100_000
    assert len(recording.lost) < 1_000


def test_kept_audio_stops_at_the_budget_and_the_words_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = WallClock(monkeypatch)
    second = 2 * 16_000
    budget = Budget({Resource.RECORDINGS: Quota(3 * second, 3 * second, "{what} too much.")})
    controller = _ready(budget=budget, keep_audio=True)
    clock.speak(controller, _silence(5.0))
    [recording] = controller.all
    assert recording.session.keep_audio_error == "you have too much."
    assert recording.session.snapshot.audio_s == pytest.approx(5.0, abs=0.1)
    assert len(recording.session.kept_audio()) == pytest.approx(3 * 16_000, abs=400)
    assert budget.used(Resource.RECORDINGS, controller.owner) > 2.9 * second
    controller.on_ended()
    controller.clear()
    assert budget.used(Resource.RECORDINGS, controller.owner) == 0


def test_a_recording_may_end_while_audio_still_arrives() -> None:
    """A time limit ends a recording from another thread; its filter is for one thread only."""
    audio = webrtc_frames(np.zeros(16_000, np.float32))
    for _ in range(20):
        controller, wire = _ready(), Wire()
        controller.on_connecting(wire)
        controller.on_frame(audio[0], wire)
        [recording] = controller.all

        def speak(controller: RecordingController = controller, wire: Wire = wire) -> None:
            for frame in audio:
                controller.on_frame(frame, wire)

        speaker = threading.Thread(target=speak)
        speaker.start()
        controller.check(time.monotonic() + 3_600)
        audio_s = recording.session.snapshot.audio_s
        speaker.join()
        assert recording.session.snapshot.audio_s == audio_s
        assert (controller.all, controller.running) == ([recording], None)


def test_close_frees_everything_and_accepts_no_more_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, budget = WallClock(monkeypatch), Budget({})
    controller, wire = _ready(budget=budget, keep_audio=True), Wire()
    controller.on_connecting(wire)
    clock.speak(controller, _silence(1.0), wire)
    [recording] = controller.all
    assert budget.used(Resource.RECORDINGS, controller.owner) > 0
    for _ in range(2):
        controller.close()
    clock.speak(controller, _silence(1.0), wire)
    clock.speak(controller, _silence(1.0))
    controller.on_ended(wire)
    assert (controller.all, controller.running, wire.n_hung_up) == ([], None, 1)
    assert recording.session.snapshot.audio_s == pytest.approx(1.0, abs=0.1)
    assert budget.used(Resource.RECORDINGS, controller.owner) == 0
    assert not controller.check(clock.now)
    with pytest.raises(LimitError):
        controller.on_connecting(Wire())


def test_a_lost_recording_that_is_closed_is_not_held_open(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, scheduler, wire = WallClock(monkeypatch), _scheduler(), Wire()
    controller = _ready(scheduler)
    controller.on_connecting(wire)
    clock.speak(controller, _silence(1.0), wire)
    clock.now += 6
    controller.on_ended(wire)
    assert controller.is_interrupted
    controller.close()
    assert (controller.is_interrupted, controller.running) == (False, None)
    assert scheduler.admission.n_admitted == 0


def test_unreferenced_recordings_free_their_memory(
    monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    clock, budget, scheduler = WallClock(monkeypatch), Budget({}), _scheduler()
    controller = _ready(scheduler, budget=budget, keep_audio=True)
    clock.speak(controller, _silence(1.0))
    controller.on_ended()
    owner, gone = controller.owner, weakref.ref(controller)
    assert budget.used(Resource.RECORDINGS, owner) > 0
    while scheduler.n_sessions:
        scheduler.step(clock.now)
        clock.now += 1
    del controller

    def is_gone() -> bool:
        gc.collect()
        return gone() is None and budget.used(Resource.RECORDINGS, owner) == 0

    eventually(is_gone)
