from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from asr_core.audio.encode import to_flac
from asr_core.engines.base import Engine
from asr_core.fullcontext import FileProgress, Job, JobQueue, JobState


@pytest.fixture
def queue(eventually: Callable[..., None]) -> JobQueue:
    queue = JobQueue()
    yield queue
    queue.clear()
    eventually(lambda: "asr-files" not in [thread.name for thread in threading.enumerate()])


def flac(samples: np.ndarray) -> bytes:
    return to_flac((samples * 32767).astype(np.int16))


def test_a_bad_file_among_good_ones_fails_alone(
    queue: JobQueue, tiny_engine: Engine, beckett: np.ndarray, eventually: Callable[..., None]
) -> None:
    good = flac(beckett)
    for key, data in (("1", good), ("2", b"no audio"), ("3", good)):
        queue.add(Job(key, f"{key}.flac", data, tiny_engine))
    queue.add(Job("1", "again.flac", good, tiny_engine))
    eventually(lambda: not queue.is_busy, 60)
    assert [job.state for job in queue.jobs] == [JobState.DONE, JobState.FAILED, JobState.DONE]
    assert "2.flac holds no sound" in (queue.jobs[1].error or "")
    assert "better" in queue.jobs[2].transcript.text.lower()


def test_cancel_stops_a_job_and_the_next_one_runs(
    queue: JobQueue, tiny_engine: Engine, two_cities: np.ndarray, eventually: Callable[..., None]
) -> None:
    long = Job("1", "long.flac", flac(np.tile(two_cities, 20)), tiny_engine)
    queue.add(long)
    queue.add(Job("2", "short.flac", flac(two_cities[:160_000]), tiny_engine))
    eventually(lambda: long.progress is not None, 60)
    assert 0 < long.share < 1
    assert long.seconds_left(now=1e9) > 0
    long.cancel.set()
    eventually(lambda: not queue.is_busy, 60)
    assert [job.state for job in queue.jobs] == [JobState.CANCELLED, JobState.DONE]


def test_time_left_follows_the_speed(tiny_engine: Engine) -> None:
    job = Job("1", "x", b"", tiny_engine, state=JobState.RUNNING, started_at=100.0)
    assert job.seconds_left(110.0) is None
    job.progress = FileProgress(25.0, 100.0, ())
    assert job.seconds_left(110.0) == pytest.approx(30.0)
