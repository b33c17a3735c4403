from __future__ import annotations

import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from asr_core.engines.base import Engine
from asr_core.live import LiveOptions, Scheduler, Takes
from asr_core.live.line import WaitingLine
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


def test_times_stay_on_the_clock_when_packets_are_lost(takes: Takes, beckett: np.ndarray) -> None:
    for number, frame in enumerate(frames(beckett)):
        frame.pts, frame.time_base = 960 * number, Fraction(1, 48_000)
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

    def speak(self, takes: Takes, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self.now += 0.02
            takes.on_frame(frame)


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
    takes = Takes()
    takes.prepare(Scheduler(tiny_engine), LiveOptions(), limit_s=2.0)
    WallClock(monkeypatch).speak(takes, frames(beckett))
    [take] = takes.all
    assert take.session.snapshot.audio_s == pytest.approx(2.0, abs=0.05)
    takes.on_ended()
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
