"""A file through a live session: at the speed of speech, or on a simulated clock."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.engines.base import Engine
from asr_core.live.scheduler import Scheduler
from asr_core.live.session import LiveSession, Snapshot

__all__ = ["replay"]

FRAME_S = 0.02
"""What WebRTC delivers at once."""


def replay(
    pieces: Iterable[NDArray[np.float32]],
    session: LiveSession,
    engine: Engine,
    speed: float | None = 1.0,
) -> Iterator[Snapshot]:
    """Feed consecutive ``pieces`` of audio to ``session``; yield each change.

    Args:
        speed: 1.0 is real time, with the scheduler in its own thread as on the
            page; None simulates the clock: the audio waits for the model.
    """
    if speed is None:
        yield from _simulated(pieces, session, engine)
    else:
        yield from _real_time(pieces, session, engine, speed)


def _frames(pieces: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    size = int(FRAME_S * SAMPLE_RATE_HZ)
    for piece in pieces:
        for at in range(0, len(piece), size):
            yield piece[at : at + size]


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
