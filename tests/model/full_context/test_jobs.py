from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from asr_core.audio.encode import to_flac
from asr_core.audio.pcm import clip_to_int16
from asr_core.engines.base import Engine
from asr_core.errors import EngineError
from asr_core.full_context import FileProgress, Job, JobQueue, JobState
from asr_core.full_context.stored_files import StoredFile
from asr_core.ops.budget import Budget, Quota, Resource
from asr_core.transcript import Transcript


@pytest.fixture
def queue(eventually: Callable[..., None]) -> JobQueue:
    queue = JobQueue()
    yield queue
    queue.clear()
    eventually(lambda: "asr-files" not in [thread.name for thread in threading.enumerate()])


class BreaksLater:
    """A real engine that fails once ``is_broken`` is set, as when memory runs out."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.is_broken = engine, False

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def transcribe(self, *args: object, **named: object) -> object:
        if self.is_broken:
            raise EngineError("The model failed on this audio (out of memory).")
        return self._engine.transcribe(*args, **named)


def flac(samples: np.ndarray) -> bytes:
    return to_flac(clip_to_int16(samples))


def test_a_bad_file_among_good_ones_fails_alone(
    queue: JobQueue,
    tiny_engine: Engine,
    beckett: np.ndarray,
    eventually: Callable[..., None],
    stored: Callable[..., StoredFile],
) -> None:
    good = flac(beckett)
    three = (("1", good), ("2", b"no audio"), ("3", good))
    queue.add(*(Job(key, f"{key}.flac", stored(data), tiny_engine) for key, data in three))
    queue.add(Job("1", "again.flac", stored(good), tiny_engine))
    assert [[job.key for job in batch] for batch in queue.batches] == [["1", "2", "3"]]
    eventually(lambda: not queue.is_busy, 60)
    assert [job.state for job in queue.jobs] == [JobState.DONE, JobState.FAILED, JobState.DONE]
    assert "2.flac holds no sound" in (queue.jobs[1].error or "")
    assert "better" in queue.jobs[2].transcript.text.lower()


def test_cancelling_a_job_keeps_its_words_and_starts_the_next(
    queue: JobQueue,
    tiny_engine: Engine,
    two_cities: np.ndarray,
    eventually: Callable[..., None],
    stored: Callable[..., StoredFile],
) -> None:
    long = Job("1", "long.flac", stored(flac(np.tile(two_cities, 20))), tiny_engine)
    queue.add(long)
    queue.add(Job("2", "short.flac", stored(flac(two_cities[:160_000])), tiny_engine))
    eventually(lambda: long.progress is not None, 60)
    assert 0 < long.fraction_done < 1
    assert long.seconds_left(now=1e9) > 0
    queue.cancel(long)
    eventually(lambda: not queue.is_busy, 60)
    assert [job.state for job in queue.jobs] == [JobState.CANCELLED, JobState.DONE]
    assert [[job.key for job in batch] for batch in queue.batches] == [["1"], ["2"]]
    assert "best of times" in long.transcript.text.lower()
    assert 10 < long.transcript.duration < 800
    assert "long.flac was cancelled" in long.error


def test_a_model_that_fails_halfway_keeps_the_words_so_far(
    queue: JobQueue,
    tiny_engine: Engine,
    two_cities: np.ndarray,
    eventually: Callable[..., None],
    stored: Callable[..., StoredFile],
) -> None:
    engine = BreaksLater(tiny_engine)
    job = Job("1", "long.flac", stored(flac(np.tile(two_cities, 5))), engine)
    queue.add(job)
    eventually(lambda: job.progress is not None, 60)
    engine.is_broken = True
    eventually(lambda: not queue.is_busy, 60)
    assert job.state is JobState.FAILED
    assert "out of memory" in job.error
    assert "best of times" in job.transcript.text.lower()


def test_a_job_cancelled_while_waiting_leaves_the_queue_at_once(
    queue: JobQueue, tiny_engine: Engine, two_cities: np.ndarray, stored: Callable[..., StoredFile]
) -> None:
    long, waiting = (
        Job(key, f"{key}.flac", stored(flac(np.tile(two_cities, 20))), tiny_engine) for key in "12"
    )
    queue.add(long, waiting)
    queue.cancel(waiting)
    assert waiting.state is JobState.CANCELLED
    assert "2.flac was cancelled" in waiting.error
    assert not long.is_over


def test_files_of_one_user_leave_room_for_others(
    tiny_engine: Engine,
    two_cities: np.ndarray,
    stored: Callable[..., StoredFile],
    eventually: Callable[..., None],
) -> None:
    budget = Budget({Resource.JOBS: Quota(2, 1, "Wait: {what} enough.")})
    mine, mine_too, theirs = (
        JobQueue(owner, budget=budget) for owner in ("me", "me", "somebody else")
    )
    queues = (mine, mine_too, theirs)
    jobs = [
        Job(str(i), "long.flac", stored(flac(np.tile(two_cities, 20))), tiny_engine)
        for i in range(3)
    ]
    try:
        for queue, job in zip(queues, jobs, strict=True):
            queue.add(job)
        eventually(lambda: jobs[2].state is JobState.RUNNING)
        assert sorted(job.state.value for job in jobs[:2]) == ["running", "waiting"]
        running = next(job for job in jobs[:2] if job.state is JobState.RUNNING)
        queues[jobs.index(running)].cancel(running)
        eventually(lambda: sum(job.state is JobState.RUNNING for job in jobs[:2]) == 1)
    finally:
        for queue in queues:
            queue.clear()
        eventually(lambda: "asr-files" not in [thread.name for thread in threading.enumerate()])


def test_time_left_follows_the_speed(
    tiny_engine: Engine, stored: Callable[..., StoredFile]
) -> None:
    job = Job("1", "x", stored(b""), tiny_engine, state=JobState.RUNNING, started_at=100.0)
    assert job.seconds_left(110.0) is None
    job.progress = FileProgress(25.0, 100.0, Transcript((), 25.0), 0)
    assert job.seconds_left(110.0) == pytest.approx(30.0)
