"""Replay of a recording through a live session, in real time or on a simulated clock."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.engines.base import Engine
from asr_core.streaming.scheduler import Scheduler
from asr_core.streaming.session import LiveSession, Snapshot

__all__ = ["FRAME_S", "LIVE_FRAME_SAMPLES", "replay"]

FRAME_S = 0.02
"""Seconds in a frame, as WebRTC delivers them."""

LIVE_FRAME_SAMPLES = int(FRAME_S * SAMPLE_RATE_HZ)


def replay(
    pieces: Iterable[NDArray[np.float32]],
    session: LiveSession,
    engine: Engine,
    speed: float | None = 1.0,
) -> Iterator[Snapshot]:
    """Feed audio to ``session`` and yield its snapshot after each change.

    Args:
        pieces: consecutive (n_samples,) of the audio.
        session: new; it is finished at the end.
        engine: recognises the audio.
        speed: 1.0 is real time, with the scheduler in its own thread as on the page; None
            simulates the clock: the audio waits for the model.
    """
    if speed is None:
        yield from _simulated(pieces, session, engine)
    else:
        yield from _real_time(pieces, session, engine, speed)


def _frames(pieces: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    for piece in pieces:
        for at in range(0, len(piece), LIVE_FRAME_SAMPLES):
            yield piece[at : at + LIVE_FRAME_SAMPLES]


def _simulated(
    pieces: Iterable[NDArray[np.float32]], session: LiveSession, engine: Engine
) -> Iterator[Snapshot]:
    now = 0.0
    scheduler = Scheduler(engine, clock=lambda: now, start=False)
    scheduler.add(session)
    for frame in _frames(pieces):
        session.append(frame)
        now += len(frame) / SAMPLE_RATE_HZ
        while scheduler.step(now):
            yield session.snapshot
    session.finish()
    while not session.is_done:
        scheduler.step(now)
        yield session.snapshot


def _real_time(
    pieces: Iterable[NDArray[np.float32]],
    session: LiveSession,
    engine: Engine,
    speed: float,
) -> Iterator[Snapshot]:
    Scheduler(engine).add(session)
    started = time.monotonic()
    shown = session.snapshot
    fed_s = 0.0
    for frame in _frames(pieces):
        session.append(frame)
        fed_s += len(frame) / SAMPLE_RATE_HZ
        ahead_s = fed_s / speed - (time.monotonic() - started)
        if ahead_s > 0:
            time.sleep(ahead_s)
        if session.snapshot.transcribed_s != shown.transcribed_s:
            shown = session.snapshot
            yield shown
    session.finish()
    while not session.wait(FRAME_S):
        if session.snapshot.transcribed_s != shown.transcribed_s:
            shown = session.snapshot
            yield shown
    yield session.snapshot
