from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.engines.base import Engine, Hypothesis, Window
from asr_core.streaming import LiveOptions, LiveSession, Scheduler
from asr_core.streaming.replay import replay
from asr_core.streaming.scheduler import longest_due
from tests.support.engines import CountingEngine, FailingEngine, HangingEngine, SlowEngine
from tests.support.texts import BECKETT, word_error_rate


@given(st.lists(st.floats(0, 10)), st.floats(0, 10))
def test_the_longest_due_is_served_first(due_at: list[float], now: float) -> None:
    chosen = longest_due(list(enumerate(due_at)), now)
    if chosen is None:
        assert all(due > now for due in due_at)
    else:
        assert due_at[chosen] == min(due_at) <= now


class CountedSession(LiveSession):
    """A session that counts its hypotheses."""

    n_served = 0

    def accept(self, hypothesis: Hypothesis) -> None:
        self.n_served += 1
        super().accept(hypothesis)


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("n_sessions", [2, 6, 11])
def test_every_session_gets_a_fair_share(
    two_cities: np.ndarray, n_sessions: int, batch_size: int
) -> None:
    """All speak at once and the model is always behind: one batch per step."""
    engine = CountingEngine(batch_size)
    scheduler = Scheduler(engine, start=False)
    sessions = [CountedSession() for _ in range(n_sessions)]
    for session in sessions:
        scheduler.add(session)
    speech = two_cities[3 * 16_000 : 15 * 16_000]
    for i in range(72):
        for session in sessions:
            session.append(speech[i * 2_667 : (i + 1) * 2_667])
        scheduler.step(now=i * 0.5)
    assert max(len(batch) for batch in engine.batches) <= batch_size
    shares = [session.n_served for session in sessions]
    assert max(shares) - min(shares) <= 2


class Speaker:
    """A fake session for the choice alone: due after each period, never done."""

    is_done = False

    def __init__(self, period_s: float, work: bool) -> None:
        self.period_s, self.work = period_s, work
        self.served_at: list[float] = []
        self._updated_at = 0.0

    def due_at(self) -> float:
        return self._updated_at + self.period_s

    def detect_speech(self, now: float) -> None:
        self._updated_at = now

    def next_window(self) -> Window | None:
        return Window(np.zeros(160, np.float32)) if self.work else None

    def accept(self, hypothesis: Hypothesis) -> None:
        self.served_at.append(self._updated_at)


@given(
    st.lists(st.tuples(st.floats(0.2, 3), st.booleans()), min_size=1, max_size=12),
    st.integers(1, 4),
    st.floats(0.05, 1.0),
)
def test_no_session_waits_for_more_than_one_round_of_the_others(
    speakers: list[tuple[float, bool]], batch_size: int, call_s: float
) -> None:
    """For any periods, load and batch size, on a simulated clock."""
    scheduler = Scheduler(CountingEngine(batch_size), start=False)
    sessions = [Speaker(*speaker) for speaker in speakers]
    for session in sessions:
        scheduler.add(session)  # type: ignore[arg-type]
    now = 0.0
    for _ in range(150):
        scheduler.step(now)
        now += call_s
    n_busy = sum(session.work for session in sessions)
    round_s = call_s * (n_busy // batch_size + 1)
    for session in sessions:
        served = session.served_at
        assert bool(served) == session.work
        waits = [after - before for before, after in pairwise([0.0, *served])]
        assert all(wait <= session.period_s + round_s + call_s for wait in waits)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class TimedEngine(CountingEngine):
    """A fake engine that takes ``batch_s`` of a simulated clock for each batch."""

    def __init__(self, clock: Clock, batch_s: float) -> None:
        super().__init__()
        self.clock, self.batch_s = clock, batch_s

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis]:
        self.clock.now += self.batch_s
        return super().transcribe(windows)


def _two_models(
    small_s: float = 0.05, large_s: float = 0.05, max_speakers: int | None = None
) -> tuple[Scheduler, Scheduler, Clock]:
    """Return two schedulers on one machine whose batches take so long, and their clock."""
    clock, made = Clock(), []
    for batch_s in (small_s, large_s):
        engine = TimedEngine(clock, batch_s)
        scheduler = Scheduler(
            engine, clock=clock, start=False, max_speakers=max_speakers, peers=lambda: made
        )
        scheduler.add(Speaker(0.0, work=True))  # type: ignore[arg-type]
        assert scheduler.step(clock.now)
        made.append(scheduler)
    return made[0], made[1], clock


def test_speakers_of_another_model_take_their_share_of_the_machine() -> None:
    small, large, clock = _two_models()
    assert small.capacity() == large.capacity() == 12
    small, large, clock = _two_models(large_s=0.2)
    assert (small.capacity(), large.capacity()) == (12, 3)
    assert large.admission.enter("a")
    assert small.capacity() == 8
    for who in range(8):
        clock.now += 100  # the last admission is long ago
        assert small.admission.enter(who)
    assert not small.admission.enter("too many")
    assert large.capacity() == 1


def test_the_limit_of_speakers_counts_over_all_models() -> None:
    small, large, clock = _two_models(max_speakers=2)
    assert small.admission.enter("a")
    assert large.admission.enter("b")
    clock.now += 100  # both admissions are long ago
    for scheduler in (small, large):
        assert not scheduler.admission.enter("c")
    small.admission.leave("a")
    assert large.admission.enter("c")


def test_a_failing_speaker_does_not_disturb_the_others(
    two_cities: np.ndarray, beckett: np.ndarray, tiny_engine: Engine
) -> None:
    loud = two_cities[: 12 * 16_000] * 0 + np.float32(0.5) * np.sign(two_cities[: 12 * 16_000])
    poison = FailingEngine(
        tiny_engine,
        lambda windows: any(np.abs(w.samples).max(initial=0) == 0.5 for w in windows),
    )
    scheduler = Scheduler(poison, start=False)
    healthy, sick = LiveSession(), LiveSession()
    scheduler.add(sick)
    scheduler.add(healthy)
    for at in range(0, len(beckett), 8_000):
        healthy.append(beckett[at : at + 8_000])
        sick.append(loud[at : at + 8_000])
        scheduler.step(at / 16_000)
    for session in (healthy, sick):
        session.finish()
    now = 100.0
    while scheduler.n_sessions:
        scheduler.step(now)
        now += 1
    assert word_error_rate(BECKETT, healthy.snapshot.transcript().text) < 0.35
    assert healthy.snapshot.error is None


def test_a_model_slower_than_speech_loses_nothing(beckett: np.ndarray, tiny_engine: Engine) -> None:
    """In real time, with the scheduler's thread; the lag is reported and caught up."""
    session = LiveSession()
    slow = SlowEngine(tiny_engine, 0.7)
    lags = [snapshot.lag_s for snapshot in replay([beckett], session, slow, speed=1.0)]
    assert max(lags) > 1.5
    assert session.snapshot.lag_s == 0
    assert session.snapshot.audio_s == pytest.approx(len(beckett) / 16_000)
    assert word_error_rate(BECKETT, session.snapshot.transcript().text) < 0.35


def test_a_hanging_model_is_detected_and_nothing_is_lost(
    beckett: np.ndarray, tiny_engine: Engine, eventually: Callable[..., None]
) -> None:
    now = 0.0
    engine = HangingEngine(tiny_engine)
    scheduler = Scheduler(engine, clock=lambda: now)
    session = LiveSession(LiveOptions("en"))
    session.append(beckett)
    scheduler.add(session)
    eventually(engine.is_asked.is_set)
    assert scheduler.max_wait_s() == 0
    now = 70.0
    assert scheduler.wait_s(session) == scheduler.max_wait_s() == 70
    session.finish()
    assert not session.is_done
    engine.go_on.set()
    assert session.wait(60)
    eventually(lambda: scheduler.max_wait_s() == 0)
    assert word_error_rate(BECKETT, session.snapshot.transcript().text) < 0.35


def test_two_sessions_get_only_their_own_words(
    two_cities: np.ndarray, beckett: np.ndarray, tiny_engine: Engine
) -> None:
    scheduler = Scheduler(tiny_engine)
    dickens, other = LiveSession(), LiveSession()
    scheduler.add(dickens)
    scheduler.add(other)
    for at in range(0, 10 * 16_000, 3_200):
        dickens.append(two_cities[at : at + 3_200])
        other.append(beckett[at : at + 3_200])
        time.sleep(0.05)
    dickens.finish()
    other.finish()
    assert dickens.wait(60) and other.wait(60)
    assert "best of times" in dickens.snapshot.transcript().text
    assert "times" not in other.snapshot.transcript().text.lower()
    assert "better" in other.snapshot.transcript().text.lower()


def test_fifty_sessions_leave_nothing_behind(beckett: np.ndarray, tiny_engine: Engine) -> None:
    process = psutil.Process()

    def run(n: int) -> None:
        for _ in range(n):
            session = LiveSession()
            scheduler = Scheduler(tiny_engine)
            scheduler.add(session)
            for at in range(0, 3 * 16_000, 1_600):
                session.append(beckett[at : at + 1_600])
            session.finish()
            assert session.wait(30)

    run(5)  # what is set up only once
    deadline = time.monotonic() + 5
    while _scheduler_threads() and time.monotonic() < deadline:
        time.sleep(0.05)
    gc.collect()
    before = process.memory_info().rss
    run(50)
    deadline = time.monotonic() + 5
    while _scheduler_threads() and time.monotonic() < deadline:
        time.sleep(0.05)
    gc.collect()
    assert _scheduler_threads() == []
    assert process.memory_info().rss - before < 30e6


def _scheduler_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "asr-scheduler"]
