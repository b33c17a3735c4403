"""Files in the background: a queue of jobs with progress and cancel.

A queue belongs to one workspace. The page adds, cancels and reads; one
worker thread works, started with the first job and gone after the last.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from asr_core.budget import Budget, Resource, process_budget
from asr_core.engines.base import Engine
from asr_core.errors import AsrError, Cancelled, LimitError
from asr_core.fullcontext.playing import copy_to_play
from asr_core.fullcontext.transcribe import FileOptions, FileProgress, transcribe
from asr_core.memory import give_back
from asr_core.metrics import count_error, count_file
from asr_core.stored_files import StoredFile
from asr_core.transcript import Transcript

__all__ = ["Job", "JobQueue", "JobState"]

logger = logging.getLogger(__name__)

_ASK_EVERY_S = 0.2


class JobState(Enum):
    """Where a job is in its life."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass
class Job:
    """One file. The worker writes (while it waits, the queue does), the page reads; each
    attribute is set whole.

    Attributes:
        key: of the upload, so that it is not transcribed twice.
        file: on disk, for as long as the job is kept.
        model: what the engine's model is called, for the reader.
        player: a copy of its sound for browsers that cannot play the file.
        transcript: of a job that failed or was cancelled, what was heard until then.
        error: a sentence, once the job has failed or was cancelled.
        corrections: what the user wrote in place of a line, by its index; the page writes it.
    """

    key: str
    name: str
    file: StoredFile
    engine: Engine
    model: str = ""
    options: FileOptions = field(default_factory=FileOptions)
    state: JobState = JobState.WAITING
    progress: FileProgress | None = None
    player: StoredFile | None = None
    transcript: Transcript | None = None
    error: str | None = None
    corrections: dict[int, str] = field(default_factory=dict)
    started_at: float = 0.0
    cancel: threading.Event = field(default_factory=threading.Event)

    @property
    def is_over(self) -> bool:
        return self.state not in (JobState.WAITING, JobState.RUNNING)

    @property
    def share(self) -> float:
        """Of the file that is done, 0 to 1."""
        if self.progress is None or not self.progress.total_s:
            return 0.0
        return min(self.progress.done_s / self.progress.total_s, 1.0)

    def stop(self, state: JobState, error: str) -> None:
        """End it before its time; what was heard stays."""
        if self.progress is not None and self.progress.transcript.segments:
            self.transcript = self.progress.transcript
        self.error, self.state = error, state  # the state last: who reads it reads the rest

    def seconds_left(self, now: float) -> float | None:
        """At the speed so far; None before there is a speed."""
        if self.state is not JobState.RUNNING or self.share == 0:
            return None
        return (now - self.started_at) * (1 - self.share) / self.share


class JobQueue:
    """See the module's text for who may call what.

    Args:
        owner, group: the user, and the network address, of whom no more than so many files
            are worked on at once.
        budget: for that; the one of the process by default.
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
        self._lock = threading.Lock()  # guards the two below
        self._batches: list[list[Job]] = []
        self._worker: threading.Thread | None = None

    @property
    def batches(self) -> list[list[Job]]:
        """Jobs that were added at once, batches in the order they came; a copy."""
        with self._lock:
            return list(map(list, self._batches))

    @property
    def jobs(self) -> list[Job]:
        """In the order they were added, a copy."""
        return list(itertools.chain.from_iterable(self.batches))

    @property
    def is_busy(self) -> bool:
        return any(not job.is_over for job in self.jobs)

    def add(self, *jobs: Job) -> None:
        """Queue ``jobs`` but those whose keys are here already."""
        with self._lock:
            known = {job.key for batch in self._batches for job in batch}
            new = [job for job in jobs if job.key not in known]
            if not new:
                return
            self._batches.append(new)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="asr-files", daemon=True)
                self._worker.start()

    def cancel(self, job: Job) -> None:
        """Stop it, or take it out of the line; what was heard stays."""
        job.cancel.set()
        with self._lock:
            if job.state is JobState.WAITING:
                job.stop(JobState.CANCELLED, f"{job.name} was cancelled before its turn.")

    def clear(self) -> None:
        """Cancel what runs and forget everything."""
        with self._lock:
            for job in itertools.chain.from_iterable(self._batches):
                job.cancel.set()
            self._batches = []

    def _work(self) -> None:
        while True:
            with self._lock:
                jobs = itertools.chain.from_iterable(self._batches)
                job = next((job for job in jobs if job.state is JobState.WAITING), None)
                if job is None:
                    self._worker = None
                    break
            with self._turn_of(job) as is_its_turn:
                with self._lock:
                    if not is_its_turn or job.state is not JobState.WAITING:
                        continue
                    job.state, job.started_at = JobState.RUNNING, self._clock()
                self._run(job)
        give_back()

    @contextmanager
    def _turn_of(self, job: Job) -> Iterator[bool]:
        """Wait until the process has room for one more file; False if ``job`` was cancelled."""
        budget = self._budget or process_budget()
        while not job.cancel.is_set():
            try:
                turn = budget.take(Resource.JOBS, 1, self._owner, self._group)
            except LimitError:
                job.cancel.wait(_ASK_EVERY_S)
                continue
            with turn:
                yield True
            return
        yield False

    def _run(self, job: Job) -> None:
        def report(progress: FileProgress) -> None:
            job.progress = progress

        is_cancelled = job.cancel.is_set
        try:
            job.player = copy_to_play(job.file, job.options, is_cancelled, self._owner, self._group)
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
            logger.exception("A file could not be transcribed")  # its name is the user's
            count_error("file", error)
            sentence = f"{job.name} could not be transcribed; the log of the server says why."
            job.stop(JobState.FAILED, sentence)
