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

from asr_core.audio.gaps import SLACK_S
from asr_core.budget import Allowance, Budget, Resource
from asr_core.engines.base import Engine
from asr_core.errors import LimitError
from asr_core.live import LiveOptions, Scheduler, Takes
from asr_core.live.line import WaitingLine
from asr_core.live.takes import CONNECT_S, HELD_OPEN_S, _everybody
from tests.live.engines import Counting
from tests.texts import BECKETT, word_error_rate


def frames(samples: np.ndarray) -> list[av.AudioFrame]:
    """What WebRTC delivers: 20 ms of s16 stereo at 48 kHz."""
    out = []
    at_48k = np.repeat(samples, 3)
    for at in range(0, len(at_48k) - 959, 960):
        part = (np.repeat(at_48k[at : at + 960], 2) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(part[None], format="s16", layout="stereo")
        frame.sample_rate = 48_000
        out.append(frame)
    return out


@pytest.fixture(autouse=True)
def nobody_is_left_on_the_clock() -> Iterator[None]:
    """Takes that a test leaves open would be watched for the rest of the process."""
    yield
    for left in list(_everybody):
        left.close()


@pytest.fixture
def takes(tiny_engine: Engine) -> Takes:
    takes = Takes()
    takes.prepare(Scheduler(tiny_engine), LiveOptions(keep_recording=True))
    return takes


def test_each_start_is_a_take_of_its_own(takes: Takes, beckett: np.ndarray) -> None:
    for _ in range(2):
        for frame in frames(beckett):
            takes.on_frame(frame)
        assert takes.running is takes.all[-1]
        takes.on_ended()
        assert takes.running is None
        assert takes.all[-1].session.wait(60)
    assert [take.number for take in takes.all] == [1, 2]
    for take in takes.all:
        assert word_error_rate(BECKETT, take.session.snapshot.transcript().text) < 0.35
        assert len(take.session.recording()) == pytest.approx(len(beckett), abs=400)


def test_times_stay_on_the_clock_when_packets_are_lost(
    takes: Takes, beckett: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WallClock(monkeypatch)
    for number, frame in enumerate(frames(beckett)):
        frame.pts, frame.time_base = 960 * number, Fraction(1, 48_000)
        clock.now += 0.02
        if not (100 <= number < 150 or number == 300):
            takes.on_frame(frame)
    takes.on_ended()
    [take] = takes.all
    assert take.session.wait(60)
    assert len(take.session.recording()) == pytest.approx(len(beckett), abs=400)
    [first, second] = take.lost
    assert first == pytest.approx((2.0, 1.0), abs=0.01)
    assert second == pytest.approx((6.0, 0.02), abs=0.01)
    assert "better" in take.session.snapshot.transcript().text.lower()


def test_a_lost_packet_sounds_like_the_one_before(takes: Takes) -> None:
    tone = np.sin(np.arange(32_000) * 2 * np.pi * 200 / 16_000).astype(np.float32) / 2
    for number, frame in enumerate(frames(tone)):
        frame.pts, frame.time_base = 960 * number, Fraction(1, 48_000)
        if number != 50:
            takes.on_frame(frame)
    takes.on_ended()
    [take] = takes.all
    recording = take.session.recording()
    quietest = np.abs(recording[8_000:24_000].reshape(-1, 80)).max(axis=1).min()
    assert quietest > 32767 / 2 * 0.7


class WallClock:
    """A fake clock on the wall, so that nobody has to wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.monotonic()
        monkeypatch.setattr("asr_core.live.takes.time.monotonic", lambda: self.now)

    def speak(self, takes: Takes, frames: list[av.AudioFrame], wire: Wire | None = None) -> None:
        for frame in frames:
            self.now += 0.02
            takes.on_frame(frame, wire)


class Wire:
    """Stands for a connection: what is told to it is kept."""

    n_hung_up = 0

    def hang_up(self) -> None:
        self.n_hung_up += 1


def test_a_take_goes_on_after_a_lost_connection(
    takes: Takes, beckett: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, sound = WallClock(monkeypatch), frames(beckett)
    clock.speak(takes, sound[:200])
    clock.now += 6.0  # the browser finds the connection broken
    takes.on_ended()
    assert takes.is_interrupted
    takes.on_ended()  # a first attempt to connect again fails
    clock.now += 4.0
    clock.speak(takes, sound[200:])
    assert not takes.is_interrupted
    takes.on_ended()
    assert takes.running is None
    [take] = takes.all
    assert take.session.wait(60)
    assert len(take.session.recording()) == pytest.approx(len(beckett) + 10 * 16_000, abs=800)
    [gap] = take.lost
    assert gap == pytest.approx((4.0, 10.0), abs=0.05)
    words = take.session.snapshot.committed_words
    assert [w for w in words if w.start > 14.0]
    assert not [w for w in words if 5.0 < w.start < 13.5]


def test_a_connection_that_stays_away_ends_the_take(
    takes: Takes, beckett: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, sound = WallClock(monkeypatch), frames(beckett)
    monkeypatch.setattr("asr_core.live.takes.HELD_OPEN_S", 6.2)
    n_threads = threading.active_count()
    clock.speak(takes, sound[:200])
    clock.now += 6.0
    takes.on_ended()
    assert takes.is_interrupted
    clock.now += 1.0
    [take] = takes.all
    assert take.session.wait(60)
    assert (takes.running, takes.is_interrupted) == (None, False)
    assert take.session.snapshot.audio_s == pytest.approx(4.0, abs=0.05)
    while threading.active_count() > n_threads:
        time.sleep(0.05)


def test_a_lost_take_can_be_ended_by_hand(
    takes: Takes, beckett: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WallClock(monkeypatch)
    clock.speak(takes, frames(beckett)[:100])
    clock.now += 6.0
    takes.on_ended()
    takes.end()
    assert not takes.is_interrupted
    assert takes.all[0].session.wait(60)
    clock.speak(takes, frames(beckett)[:10])
    assert len(takes.all) == 2
    takes.on_ended()


def test_clear_forgets_all_but_the_running_take(takes: Takes, beckett: np.ndarray) -> None:
    some = frames(beckett)[:10]
    takes.on_frame(some[0])
    takes.on_ended()
    takes.on_frame(some[1])
    takes.clear()
    assert [take.number for take in takes.all] == [2]
    takes.on_ended()
    takes.clear()
    assert takes.all == []


def test_a_time_limit_ends_the_sound(
    tiny_engine: Engine, beckett: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes, wire = Takes(), Wire()
    takes.prepare(Scheduler(tiny_engine), LiveOptions(), limit_s=2.0)
    takes.on_connecting(wire)
    WallClock(monkeypatch).speak(takes, frames(beckett), wire)
    [take] = takes.all
    assert take.session.snapshot.audio_s == pytest.approx(2.0, abs=0.05)
    takes.on_ended(wire)
    assert take.session.wait(30)


def test_sound_without_a_model_is_no_error(beckett: np.ndarray) -> None:
    takes = Takes()
    takes.on_frame(frames(beckett)[0])
    takes.on_ended()
    assert takes.all == []


def test_who_finds_all_places_taken_waits_and_is_let_in(
    tiny_engine: Engine, beckett: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = Scheduler(tiny_engine)
    monkeypatch.setattr(scheduler, "capacity", lambda: 1)
    scheduler.line = WaitingLine(scheduler.capacity)
    first, second = Takes(), Takes()
    sound = frames(beckett)
    for takes in (first, second):
        takes.prepare(scheduler, LiveOptions())
        takes.on_frame(sound[0])
    assert (first.place, first.running is not None) == (None, True)
    assert second.running is None
    assert second.place is not None
    assert second.place[0] == 1
    first.on_ended()
    for frame in sound:
        second.on_frame(frame)
    assert second.place is None
    second.on_ended()
    [take] = second.all
    assert take.session.wait(60)
    assert word_error_rate(BECKETT, take.session.snapshot.transcript().text) < 0.35
    assert scheduler.line.n_inside == 0


def _ready(limit_s: float | None = None, budget: Budget | None = None, **options: bool) -> Takes:
    """Takes with a model that hears nothing of what these tests are about."""
    takes = Takes(budget)
    takes.prepare(Scheduler(Counting(), start=False), LiveOptions(**options), limit_s)
    return takes


def _silence(seconds: float) -> list[av.AudioFrame]:
    return frames(np.zeros(round(16_000 * seconds), np.float32))


def test_a_take_ends_by_its_time_though_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, takes, wire = WallClock(monkeypatch), _ready(limit_s=30.0), Wire()
    takes.on_connecting(wire)
    clock.speak(takes, _silence(0.5), wire)
    assert takes.check(clock.now + 28)
    assert takes.running is not None
    assert not takes.check(clock.now + 30)
    assert (takes.running, wire.n_hung_up) == (None, 1)
    assert "time limit" in (takes.notice or "")
    assert takes.was_hung_up() and not takes.was_hung_up()
    clock.speak(takes, _silence(1.0), wire)  # what still comes is no new take
    assert len(takes.all) == 1
    takes.on_ended(wire)
    again = Wire()
    takes.on_connecting(again)
    clock.speak(takes, _silence(0.1), again)
    assert (len(takes.all), takes.notice) == (2, None)


def test_half_a_second_of_sound_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, takes, wire = WallClock(monkeypatch), _ready(), Wire()
    takes.on_connecting(wire)
    clock.speak(takes, _silence(0.5), wire)
    assert takes._scheduler is not None
    assert takes._scheduler.line.n_inside == 1
    takes.check(clock.now + HELD_OPEN_S - 1)
    assert takes._scheduler.line.n_inside == 1
    takes.check(clock.now + HELD_OPEN_S + 1)
    assert takes._scheduler.line.n_inside == 0
    assert (takes.running, wire.n_hung_up) == (None, 1)
    assert "no sound came" in (takes.notice or "")


def test_minutes_of_digital_silence_end_the_take(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, takes, wire = WallClock(monkeypatch), _ready(), Wire()
    takes.on_connecting(wire)
    loud = frames(np.full(16_000, 0.1, np.float32))
    minute = _silence(60.0)
    for _ in range(2):
        clock.speak(takes, loud, wire)
        for _ in range(4):
            clock.speak(takes, minute, wire)
            assert takes.check(clock.now)
    clock.speak(takes, _silence(61.0), wire)
    assert not takes.check(clock.now)
    assert (takes.running, wire.n_hung_up) == (None, 1)
    assert "silence" in (takes.notice or "")


def test_a_connection_that_brings_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, takes, wire = WallClock(monkeypatch), _ready(), Wire()
    takes.on_connecting(wire)
    assert takes.check(clock.now + CONNECT_S - 1)
    assert not takes.check(clock.now + CONNECT_S + 1)
    assert wire.n_hung_up == 1
    assert takes._scheduler is not None
    assert takes._scheduler.line.n_waiting == 0


def test_the_clock_goes_without_anybody_who_looks(
    monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    """The thread that checks is there while there is something to end, and no longer."""
    takes, wire = _ready(limit_s=0.2), Wire()
    takes.on_connecting(wire)
    takes.on_frame(_silence(0.02)[0], wire)
    eventually(lambda: takes.running is None and wire.n_hung_up == 1)
    eventually(lambda: "asr-watch" not in [thread.name for thread in threading.enumerate()])


def test_a_connection_that_is_replaced_neither_speaks_nor_ends_the_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, takes, old, new = WallClock(monkeypatch), _ready(), Wire(), Wire()
    takes.on_connecting(old)
    clock.speak(takes, _silence(1.0), old)
    takes.on_connecting(new)
    assert old.n_hung_up == 1
    clock.speak(takes, _silence(1.0), old)
    takes.on_ended(old)
    clock.speak(takes, _silence(1.0), new)
    [take] = takes.all
    assert takes.running is take
    assert take.session.snapshot.audio_s == pytest.approx(3.0, abs=0.1)  # of it a second missed


def test_one_user_speaks_on_two_pages_at_most() -> None:
    budget = Budget({})
    scheduler = Scheduler(Counting(), start=False, budget=budget)
    pages = [Takes(), Takes(), Takes()]
    for page in pages:
        page.owner = "greedy"
        page.prepare(scheduler, LiveOptions())
    for page in pages[:2]:
        page.on_connecting(Wire())
    with pytest.raises(LimitError, match="on other pages"):
        pages[2].on_connecting(Wire())


def test_who_comes_when_the_line_is_full_gets_no_connection() -> None:
    scheduler = Scheduler(Counting(), start=False)
    crowd = [Takes() for _ in range(20)]
    n_refused = 0
    for takes in crowd:
        takes.prepare(scheduler, LiveOptions())
        try:
            takes.on_connecting(Wire())
        except LimitError:
            n_refused += 1
    assert n_refused == 18
    assert scheduler.line.n_waiting == 2


def test_who_asks_when_the_line_is_full_is_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """All connect before any sound comes, and each waits longer than the line remembers."""
    clock = WallClock(monkeypatch)
    scheduler = Scheduler(Counting(), start=False, clock=lambda: clock.now)
    crowd = [(Takes(), Wire()) for _ in range(9)]
    for takes, wire in crowd:
        takes.prepare(scheduler, LiveOptions())
        takes.on_connecting(wire)
        clock.now += 6
    for takes, wire in crowd:
        clock.speak(takes, _silence(0.02), wire)
    assert sum(takes.running is not None for takes, _ in crowd) == 1
    assert sum(takes.place is not None for takes, _ in crowd) == 2
    assert sum(wire.n_hung_up for _, wire in crowd) == 6


def test_time_stamps_that_jump_cost_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, takes = WallClock(monkeypatch), _ready(keep_recording=True)
    for number, frame in enumerate(_silence(40.0)):
        frame.pts, frame.time_base = 119 * 48_000 * number, Fraction(1, 48_000)
        clock.speak(takes, [frame])
    [take] = takes.all
    assert take.session.snapshot.audio_s < 40 + SLACK_S + 0.1
    assert len(take.session.recording()) < 16_000 * (40 + SLACK_S + 0.1)
    assert take.too_fast_s > 100_000
    assert len(take.lost) < 1_000


def test_a_recording_stops_where_the_budget_ends_and_the_words_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = WallClock(monkeypatch)
    second = 2 * 16_000
    budget = Budget({Resource.RECORDINGS: Allowance(3 * second, 3 * second, "{what} too much.")})
    takes = _ready(budget=budget, keep_recording=True)
    clock.speak(takes, _silence(5.0))
    [take] = takes.all
    assert take.session.recording_refused == "you have too much."
    assert take.session.snapshot.audio_s == pytest.approx(5.0, abs=0.1)
    assert len(take.session.recording()) == pytest.approx(3 * 16_000, abs=400)
    assert budget.used(Resource.RECORDINGS, takes.owner) > 2.9 * second
    takes.on_ended()
    takes.clear()
    assert budget.used(Resource.RECORDINGS, takes.owner) == 0


def test_a_take_may_end_while_its_sound_still_comes() -> None:
    """Two threads, as with a clock that ends a take: the filter inside is for one at a time."""
    sound = frames(np.zeros(16_000, np.float32))
    for _ in range(20):
        takes, wire = _ready(), Wire()
        takes.on_connecting(wire)
        takes.on_frame(sound[0], wire)
        [take] = takes.all

        def speak(takes: Takes = takes, wire: Wire = wire) -> None:
            for frame in sound:
                takes.on_frame(frame, wire)

        speaker = threading.Thread(target=speak)
        speaker.start()
        takes.check(time.monotonic() + 3_600)
        audio_s = take.session.snapshot.audio_s
        speaker.join()
        assert take.session.snapshot.audio_s == audio_s
        assert (takes.all, takes.running) == ([take], None)


def test_close_frees_all_and_hears_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, budget = WallClock(monkeypatch), Budget({})
    takes, wire = _ready(budget=budget, keep_recording=True), Wire()
    takes.on_connecting(wire)
    clock.speak(takes, _silence(1.0), wire)
    [take] = takes.all
    assert budget.used(Resource.RECORDINGS, takes.owner) > 0
    for _ in range(2):
        takes.close()
    clock.speak(takes, _silence(1.0), wire)
    clock.speak(takes, _silence(1.0))
    takes.on_ended(wire)
    assert (takes.all, takes.running, wire.n_hung_up) == ([], None, 1)
    assert take.session.snapshot.audio_s == pytest.approx(1.0, abs=0.1)
    assert budget.used(Resource.RECORDINGS, takes.owner) == 0
    assert not takes.check(clock.now)
    with pytest.raises(LimitError):
        takes.on_connecting(Wire())


def test_a_lost_take_that_is_closed_is_not_held_open(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, takes, wire = WallClock(monkeypatch), _ready(), Wire()
    takes.on_connecting(wire)
    clock.speak(takes, _silence(1.0), wire)
    clock.now += 6
    takes.on_ended(wire)
    assert takes.is_interrupted
    takes.close()
    assert (takes.is_interrupted, takes.running) == (False, None)
    assert takes._scheduler is not None
    assert takes._scheduler.line.n_inside == 0


def test_takes_that_nobody_holds_give_their_memory_back(
    monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    clock, budget = WallClock(monkeypatch), Budget({})
    takes = _ready(budget=budget, keep_recording=True)
    clock.speak(takes, _silence(1.0))
    takes.on_ended()
    owner, gone = takes.owner, weakref.ref(takes)
    assert budget.used(Resource.RECORDINGS, owner) > 0
    assert takes._scheduler is not None
    while takes._scheduler.n_sessions:
        takes._scheduler.step(clock.now)
        clock.now += 1
    del takes

    def is_gone() -> bool:
        gc.collect()
        return gone() is None and budget.used(Resource.RECORDINGS, owner) == 0

    eventually(is_gone)
