"""Second transcription of an ended recording, in full context."""

from __future__ import annotations

import difflib
import logging
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from asr_core.engines.base import Engine
from asr_core.errors import AsrError, Cancelled
from asr_core.full_context import FileOptions, FileProgress, transcribe
from asr_core.ops.background import BackgroundWorker
from asr_core.ops.budget import Budget, Resource, process_budget
from asr_core.ops.malloc import trim_heap
from asr_core.ops.metrics import count_error
from asr_core.streaming.session import LiveSession
from asr_core.transcript import Transcript, Word, comparison_key

__all__ = ["Refinement", "RefinementQueue", "changed_words", "refine"]

logger = logging.getLogger(__name__)

_POLL_S = 0.2

_FAILED = "The recording could not be refined; the live transcript stays."


def refine(
    session: LiveSession,
    engine: Engine,
    *,
    on_progress: Callable[[FileProgress], None] | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Transcript:
    """Return the full-context transcript of a session whose audio is kept.

    Runs in the caller's thread.

    Raises:
        AudioError: no audio came.
        EngineError: the model failed.
        Cancelled: ``is_cancelled`` returned True.
    """
    return transcribe(
        session.kept_audio(),
        engine,
        FileOptions(
            language=session.options.language,
            task=session.options.task,
            terms=session.options.terms,
        ),
        on_progress=on_progress,
        is_cancelled=is_cancelled,
    )


def changed_words(before: Sequence[Word], after: Sequence[Word]) -> tuple[bool, ...]:
    """Return for each word of ``after`` if it is not in ``before``; case and signs do not count."""
    keys = [[comparison_key(word.text) for word in words] for words in (before, after)]
    changed = [True] * len(after)
    for match in difflib.SequenceMatcher(
        a=keys[0], b=keys[1], autojunk=False
    ).get_matching_blocks():
        changed[match.b : match.b + match.size] = [False] * match.size
    return tuple(changed)


@dataclass(eq=False)
class Refinement:
    """Refinement of one recording, with its progress and its result.

    One background thread writes, each attribute in one assignment; any thread may read and
    call.

    Attributes:
        session: the recording's.
        engine: transcribes it.
        owner: the user, whose number of files in progress the budget limits.
        fraction_done: 0 to 1.
        transcript: the result, None before and without one.
        changed: for each word of the result, if the live transcript does not have it.
        error: a sentence if there will be no result; a user who wants none needs no sentence.
        is_over: set last.
    """

    session: LiveSession
    engine: Engine
    owner: Hashable = None
    fraction_done: float = 0.0
    transcript: Transcript | None = None
    changed: tuple[bool, ...] = ()
    error: str | None = None
    is_over: bool = False
    _cancel: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Leave it at the live transcript."""
        self._cancel.set()

    def run(self, budget: Budget) -> None:
        """Wait for the session's last words and for a turn, then transcribe; once only."""
        try:
            while not self.session.wait(_POLL_S):
                if self._cancel.is_set():
                    return
            if self.session.keep_audio_error:
                self.error = (
                    "The recording is longer than this server can keep in memory, so it was not "
                    "refined; the live transcript stays."
                )
            elif self.session.snapshot.audio_s:
                turn = budget.reserve_in_turn(Resource.JOBS, 1, self.owner, None, self._cancel)
                if turn is not None:
                    with turn:
                        self._transcribe()
        except Cancelled:
            return
        except AsrError as error:
            count_error("file", error)
            self.error = f"{_FAILED} {error}"
        except Exception as error:
            logger.exception("A recording could not be refined")
            count_error("file", error)
            self.error = _FAILED
        finally:
            if not self.session.options.keep_audio:
                self.session.discard_audio()
            self.is_over = True

    def _transcribe(self) -> None:
        def report(progress: FileProgress) -> None:
            if progress.total_s:
                self.fraction_done = min(1.0, progress.done_s / progress.total_s)

        live = self.session.snapshot.committed_words
        refined = refine(
            self.session, self.engine, on_progress=report, is_cancelled=self._cancel.is_set
        )
        self.changed = changed_words(live, refined.words)
        self.transcript = refined


class RefinementQueue:
    """Refinements of one workspace, one after the other, in a thread that ends with the last.

    Any thread may call.

    Args:
        budget: of files in progress; that of the process by default.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self._budget = budget
        self._lock = threading.Lock()  # guards the one below
        self._waiting: list[Refinement] = []
        self._worker = BackgroundWorker("asr-refine", self._lock, self._next, self._run, trim_heap)

    def add(self, refinement: Refinement) -> None:
        """Queue one."""
        with self._lock:
            self._waiting.append(refinement)
            self._worker.wake()

    def _next(self) -> Refinement | None:
        return self._waiting.pop(0) if self._waiting else None

    def _run(self, refinement: Refinement) -> None:
        refinement.run(self._budget or process_budget())
