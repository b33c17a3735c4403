"""Chunks of a file, read in one thread and recognised in others."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from asr_core.errors import Cancelled
from asr_core.full_context.chunks import SpeechChunk

__all__ = ["map_ordered", "run_cancellable"]

_ROUNDS_AHEAD = (
    1  # rounds in progress while one is waited for: memory stays bounded (docs/tuning.md)
)

_CANCEL_POLL_S = 0.1

Result = TypeVar("Result")
_Share = list[int]  # indices of chunks of a round
_Started = list[tuple[_Share, "Future[list[Result]]"]]


def run_cancellable(work: Callable[[], Result], check_cancelled: Callable[[], None]) -> Result:
    """Return the result of ``work``, done in a thread, unless ``check_cancelled`` raises."""
    worker = ThreadPoolExecutor(1, "asr-file-share")
    try:
        future = worker.submit(work)
        _await([([], future)], check_cancelled)
        return future.result()
    finally:
        worker.shutdown(wait=False, cancel_futures=True)


def map_ordered(
    rounds: Iterable[Sequence[SpeechChunk]],
    work: Callable[[Sequence[SpeechChunk]], list[Result]],
    *,
    n_workers: int,
    max_batch: int,
    check_cancelled: Callable[[], None],
) -> Iterator[list[tuple[SpeechChunk, Result]]]:
    """Yield each round's chunks with their results, in order.

    Chunks of similar length share a batch, since the longest sets its cost; the longest start
    first, so that the threads end at about the same time. Errors of ``work`` and ``rounds``
    are raised here after the threads have ended. ``Cancelled`` is raised at once: a call of
    the model cannot be stopped, and ends in the background.

    Args:
        rounds: read in the caller's thread, one round ahead.
        work: returns a result for each chunk of a batch; called in ``n_workers`` threads.
        n_workers: number of threads.
        max_batch: most chunks in a batch.
        check_cancelled: called several times a second; may raise ``Cancelled``.
    """
    in_progress: deque[tuple[Sequence[SpeechChunk], _Started[Result]]] = deque()
    workers, waits_for_work = ThreadPoolExecutor(n_workers, "asr-file-share"), True
    try:
        for chunks in rounds:
            shares = _shares(chunks, max(n_workers, -(-len(chunks) // max_batch)))
            started = [(s, workers.submit(work, [chunks[i] for i in s])) for s in shares]
            in_progress.append((chunks, started))
            while len(in_progress) > _ROUNDS_AHEAD or _is_first_done(in_progress):
                _await(in_progress[0][1], check_cancelled)
                yield _in_order(*in_progress.popleft())
        while in_progress:
            _await(in_progress[0][1], check_cancelled)
            yield _in_order(*in_progress.popleft())
    except Cancelled:
        waits_for_work = False
        raise
    finally:
        workers.shutdown(wait=waits_for_work, cancel_futures=True)


def _shares(chunks: Sequence[SpeechChunk], n: int) -> list[_Share]:
    order = sorted(range(len(chunks)), key=lambda i: -len(chunks[i].samples))
    cuts = [len(order) * i // n for i in range(n + 1)]
    return [order[a:b] for a, b in itertools.pairwise(cuts) if b > a]


def _is_first_done(in_progress: Sequence[tuple[object, _Started[Result]]]) -> bool:
    return bool(in_progress) and all(future.done() for _, future in in_progress[0][1])


def _await(
    started: Sequence[tuple[_Share, Future[Result]]], check_cancelled: Callable[[], None]
) -> None:
    pending = {future for _, future in started}
    while pending:
        check_cancelled()
        _, pending = wait(pending, timeout=_CANCEL_POLL_S)


def _in_order(
    chunks: Sequence[SpeechChunk], started: _Started[Result]
) -> list[tuple[SpeechChunk, Result]]:
    results = {i: r for share, f in started for i, r in zip(share, f.result(), strict=True)}
    return [(chunk, results[i]) for i, chunk in enumerate(chunks)]
