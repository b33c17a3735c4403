"""Transcription of files in the background: a queue of jobs with progress and cancellation.

A queue belongs to one workspace. The page adds, cancels and reads; one background thread
works, started with the first job and gone after the last.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum

from asr_core.engines.base import Engine
from asr_core.errors import AsrError, Cancelled
from asr_core.full_context.playback import make_playback_copy
from asr_core.full_context.stored_files import StoredFile
from asr_core.full_context.transcribe import FileOptions, FileProgress, transcribe
from asr_core.ops.background import BackgroundWorker
from asr_core.ops.budget import Budget, Resource, process_budget
from asr_core.ops.malloc import trim_heap
from asr_core.ops.metrics import count_error, count_file
from asr_core.transcript import Transcript

__all__ = ["Job", "JobQueue", "JobState"]

logger = logging.getLogger(__name__)


class JobState(Enum):
    """States of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass
class Job:
    """File to transcribe, with its progress and its result.

    The queue writes until it starts, then the background thread; the page reads. Each
    attribute is set in one assignment.

    Attributes:
        key: of the upload, so that it is not transcribed twice.
        name: of the file, as the user calls it.
        file: on disk, for as long as the job is kept.
        engine: transcribes it.
        model: name of the engine's model, for the reader.
        options: the user's choices.
        state: written last: once it says that the job is over, the rest can be read.
        progress: the latest, None before the first.
        playback_copy: a copy of its sound for browsers that cannot play the file.
        transcript: the result; of a job that failed or was cancelled, the part before.
        error: a sentence once the job has failed or was cancelled.
        corrections: the user's text for a segment, by its index; written by the page.
        started_at: time on the queue's clock.
        cancel: set to cancel the job.
    """

    key: str
    name: str
    file: StoredFile
    engine: Engine
    model: str = ""
    options: FileOptions = field(default_factory=FileOptions)
    state: JobState = JobState.WAITING
    progress: FileProgress | None = None
    playback_copy: StoredFile | None = None
    transcript: Transcript | None = None
    error: str | None = None
    corrections: dict[int, str] = field(default_factory=dict)
    started_at: float = 0.0
    cancel: threading.Event = field(default_factory=threading.Event)

    @property
    def is_over(self) -> bool:
        """True once the job is done, has failed or was cancelled."""
        return self.state not in (JobState.WAITING, JobState.RUNNING)

    @property
    def fraction_done(self) -> float:
        """Share of the file that is done, 0 to 1."""
        if self.progress is None or not self.progress.total_s:
            return 0.0
        return min(self.progress.done_s / self.progress.total_s, 1.0)

    def stop(self, state: JobState, error: str) -> None:
        """End the job early with a sentence; the transcript so far is kept."""
        if self.progress is not None and self.progress.transcript.segments:
            self.transcript = self.progress.transcript
        self.error, self.state = error, state  # the state last, see above

    def seconds_left(self, now: float) -> float | None:
        """Return the estimated time left, from the speed so far; None before the first progress."""
        if self.state is not JobState.RUNNING or self.fraction_done == 0:
            return None
        return (now - self.started_at) * (1 - self.fraction_done) / self.fraction_done


class JobQueue:
    """Files of one workspace; the module says which thread may call what.

    Args:
        owner: the user, whose number of files in progress the budget limits.
        group: the network address, limited likewise.
        clock: seconds, monotonic.
        budget: of files in progress; that of the process by default.
    """

    def __init__(
        self,
        owner: Hashable = None,
        group: Hashable = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        budget: Budget | None = None,
    ) -> None:
        self._owner, self._group, self._clock, self._budget = owner, group, clock, budget
        self._lock = threading.Lock()  # guards the batches
        self._batches: list[list[Job]] = []
        self._worker = BackgroundWorker(
            "asr-files", self._lock, self._next_job, self._run_in_turn, trim_heap
        )

    @property
    def batches(self) -> list[list[Job]]:
        """Jobs by the call that added them, oldest first; a copy."""
        with self._lock:
            return list(map(list, self._batches))

    @property
    def jobs(self) -> list[Job]:
        """Jobs in the order they were added; a copy."""
        return list(itertools.chain.from_iterable(self.batches))

    @property
    def is_busy(self) -> bool:
        """True until all jobs are over."""
        return any(not job.is_over for job in self.jobs)

    def add(self, *jobs: Job) -> None:
        """Queue ``jobs``, except those whose keys are in the queue already."""
        with self._lock:
            known = {job.key for batch in self._batches for job in batch}
            new = [job for job in jobs if job.key not in known]
            if not new:
                return
            self._batches.append(new)
            self._worker.wake()

    def cancel(self, job: Job) -> None:
        """Stop a job, or remove it from the queue; the transcript so far is kept."""
        job.cancel.set()
        with self._lock:
            if job.state is JobState.WAITING:
                job.stop(JobState.CANCELLED, f"{job.name} was cancelled before its turn.")

    def clear(self) -> None:
        """Cancel the running job and forget all."""
        with self._lock:
            for job in itertools.chain.from_iterable(self._batches):
                job.cancel.set()
            self._batches = []

    def _next_job(self) -> Job | None:
        jobs = itertools.chain.from_iterable(self._batches)
        return next((job for job in jobs if job.state is JobState.WAITING), None)

    def _run_in_turn(self, job: Job) -> None:
        budget = self._budget or process_budget()
        slot = budget.reserve_in_turn(Resource.JOBS, 1, self._owner, self._group, job.cancel)
        if slot is None:
            return
        with slot:
            with self._lock:
                if job.state is not JobState.WAITING:
                    return
                job.state, job.started_at = JobState.RUNNING, self._clock()
            self._run(job)

    def _run(self, job: Job) -> None:
        def report(progress: FileProgress) -> None:
            job.progress = progress

        is_cancelled = job.cancel.is_set
        try:
            job.playback_copy = make_playback_copy(
                job.file, job.options, is_cancelled, self._owner, self._group
            )
            with job.file.open() as source:
                job.transcript = transcribe(
                    source,
                    job.engine,
                    job.options,
                    name=job.name,
                    on_progress=report,
                    is_cancelled=is_cancelled,
                )
            job.state = JobState.DONE
            work_s = self._clock() - job.started_at
            count_file(job.transcript.duration, work_s)
            logger.info("file done", extra={"seconds": job.transcript.duration, "work_s": work_s})
        except Cancelled as cancelled:
            job.stop(JobState.CANCELLED, str(cancelled))
        except AsrError as error:
            count_error("file", error)
            job.stop(JobState.FAILED, str(error))
        except Exception as error:
            logger.exception(
                "A file could not be transcribed"
            )  # the log must not contain the user's file name
            count_error("file", error)
            sentence = f"{job.name} could not be transcribed; the log of the server says why."
            job.stop(JobState.FAILED, sentence)
