from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.engines.base import Engine, Hypothesis, Window
from asr_core.limits import Limits
from asr_core.live import LiveOptions, LiveSession, Scheduler
from asr_core.live.replay import replay
from asr_core.live.scheduler import choose
from tests.live.engines import Counting, Failing, Hanging, Slow
from tests.texts import BECKETT, word_error_rate


@given(st.lists(st.floats(0, 10)), st.floats(0, 10))
def test_the_longest_due_is_served_first(due_at: list[float], now: float) -> None:
    chosen = choose(list(enumerate(due_at)), now)
    if chosen is None:
        assert all(due > now for due in due_at)
    else:
        assert due_at[chosen] == min(due_at) <= now


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("n_sessions", [2, 6, 11])
def test_everybody_gets_a_fair_share(
    two_cities: np.ndarray, n_sessions: int, batch_size: int
) -> None:
    """All speak at once and the model is always behind: one batch per step."""
    engine = Counting(batch_size)
    scheduler = Scheduler(engine, start=False)
    sessions = [LiveSession() for _ in range(n_sessions)]
    shares: Counter[int] = Counter()
    for session in sessions:
        scheduler.add(session)
    speech = two_cities[3 * 16_000 : 15 * 16_000]
    for i in range(72):
        for session in sessions:
            session.append(speech[i * 2_667 : (i + 1) * 2_667])
        before = [session._last_window_end for session in sessions]
        scheduler.step(now=i * 0.5)
        for number, session in enumerate(sessions):
            shares[number] += session._last_window_end != before[number]
    assert max(len(batch) for batch in engine.batches) <= batch_size
    assert max(shares.values()) - min(shares[i] for i in range(n_sessions)) <= 2


class Speaker:
    """A fake speaker for the choice alone: due after each period, never done."""

    is_done = False

    def __init__(self, period_s: float, work: bool) -> None:
        self.period_s, self.work = period_s, work
        self.served_at: list[float] = []
        self._updated_at = 0.0

    def due_at(self) -> float:
        return self._updated_at + self.period_s

    def listen(self, now: float) -> None:
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
def test_nobody_waits_for_more_than_one_round_of_the_others(
    speakers: list[tuple[float, bool]], batch_size: int, call_s: float
) -> None:
    """Whatever the periods, the load and the size of a batch; the clock is simulated."""
    scheduler = Scheduler(Counting(batch_size), start=False)
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


def _two_models(limits: Limits | None = None) -> tuple[Scheduler, Scheduler]:
    """Two schedulers on one machine; a look of either takes a twentieth of a second."""
    made: list[Scheduler] = []
    for _ in range(2):
        scheduler = Scheduler(Counting(), start=False, limits=limits, beside=lambda: made)
        scheduler._note_look(0.05)
        made.append(scheduler)
    return made[0], made[1]


def test_those_who_speak_to_another_model_take_their_share_of_the_machine() -> None:
    small, large = _two_models()
    assert small.capacity() == large.capacity() == 12
    large._look_s = 0.2
    assert large.capacity() == 3
    assert large.line.enter("a")
    assert small.capacity() == 8
    for who in range(8):
        small.line._entered_at = -100  # as if long ago
        assert small.line.enter(who)
    assert not small.line.enter("too many")
    assert large.capacity() == 1


def test_the_limit_of_speakers_counts_over_all_models() -> None:
    small, large = _two_models(Limits(speakers=2))
    assert small.line.enter("a")
    assert large.line.enter("b")
    for scheduler in (small, large):
        scheduler.line._entered_at = -100
        assert not scheduler.line.enter("c")
    small.line.leave("a")
    assert large.line.enter("c")


def test_a_failing_speaker_does_not_disturb_the_others(
    two_cities: np.ndarray, beckett: np.ndarray, tiny_engine: Engine
) -> None:
    loud = two_cities[: 12 * 16_000] * 0 + np.float32(0.5) * np.sign(two_cities[: 12 * 16_000])
    poison = Failing(
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
    """In real time, with the scheduler's thread; the lag is told and made up for."""
    session = LiveSession()
    slow = Slow(tiny_engine, 0.7)
    lags = [snapshot.lag_s for snapshot in replay([beckett], session, slow, speed=1.0)]
    assert max(lags) > 1.5
    assert session.snapshot.lag_s == 0
    assert session.snapshot.audio_s == pytest.approx(len(beckett) / 16_000)
    assert word_error_rate(BECKETT, session.snapshot.transcript().text) < 0.35


def test_a_hanging_model_is_noticed_and_nothing_is_lost(
    beckett: np.ndarray, tiny_engine: Engine, eventually: Callable[..., None]
) -> None:
    now = 0.0
    engine = Hanging(tiny_engine)
    scheduler = Scheduler(engine, clock=lambda: now)
    session = LiveSession(LiveOptions("en"))
    session.append(beckett)
    scheduler.add(session)
    eventually(engine.is_asked.is_set)
    assert scheduler.longest_wait_s() == 0
    now = 70.0
    assert scheduler.waits_s(session) == scheduler.longest_wait_s() == 70
    session.finish()
    assert not session.is_done
    engine.go_on.set()
    assert session.wait(60)
    eventually(lambda: scheduler.longest_wait_s() == 0)
    assert word_error_rate(BECKETT, session.snapshot.transcript().text) < 0.35


def test_two_sessions_read_only_their_own_words(
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

    run(5)  # what is set up once
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
