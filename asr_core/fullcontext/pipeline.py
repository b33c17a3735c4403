"""The windows of a file, read in one thread and recognised in others."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from asr_core.errors import Cancelled
from asr_core.fullcontext.segment import SpokenWindow

__all__ = ["beside", "side_by_side"]

_ROUNDS_AHEAD = 1
"""Rounds that may be under way while one is waited for: memory stays bounded. Two were no
quicker, and took 47 MB more (three hours, base, with rounds twice as long)."""

_LOOK_S = 0.1  # how often it is looked whether to stop

Result = TypeVar("Result")
_Share = list[int]  # which windows of a round


def beside(work: Callable[[], Result], stop_if_cancelled: Callable[[], None]) -> Result:
    """Return what ``work`` does, done in a thread; raise what ``stop_if_cancelled`` does at once."""
    worker = ThreadPoolExecutor(1, "asr-file-share")
    try:
        future = worker.submit(work)
        _await([([], future)], stop_if_cancelled)
        return future.result()
    finally:
        worker.shutdown(wait=False, cancel_futures=True)


def side_by_side(
    rounds: Iterable[Sequence[SpokenWindow]],
    work: Callable[[Sequence[SpokenWindow]], list[Result]],
    *,
    n_workers: int,
    most: int,
    stop_if_cancelled: Callable[[], None],
) -> Iterator[list[tuple[SpokenWindow, Result]]]:
    """Each round's windows with what ``work`` made of them, in order.

    ``rounds`` is read in the caller's thread, a round ahead; each is shared out to
    ``n_workers`` threads, at most ``most`` windows at once and those of about one length
    together, since the longest sets the cost of a batch. The longest begin, so that the
    threads end at about the same time. What ``work`` or ``rounds`` raises is raised
    here, after the threads are gone; Cancelled, which ``stop_if_cancelled`` may raise, at
    once: a call of the model cannot be stopped, and ends behind it.
    """
    under_way: deque[tuple[Sequence[SpokenWindow], list[tuple[_Share, Future[list[Result]]]]]]
    under_way = deque()
    workers, is_patient = ThreadPoolExecutor(n_workers, "asr-file-share"), True
    try:
        for windows in rounds:
            shares = _shares(windows, max(n_workers, -(-len(windows) // most)))
            started = [(s, workers.submit(work, [windows[i] for i in s])) for s in shares]
            under_way.append((windows, started))
            while len(under_way) > _ROUNDS_AHEAD or _is_done(under_way):
                _await(under_way[0][1], stop_if_cancelled)
                yield _in_order(*under_way.popleft())
        while under_way:
            _await(under_way[0][1], stop_if_cancelled)
            yield _in_order(*under_way.popleft())
    except Cancelled:
        is_patient = False
        raise
    finally:
        workers.shutdown(wait=is_patient, cancel_futures=True)


def _shares(windows: Sequence[SpokenWindow], n: int) -> list[_Share]:
    order = sorted(range(len(windows)), key=lambda i: -len(windows[i].samples))
    cuts = [len(order) * i // n for i in range(n + 1)]
    return [order[a:b] for a, b in itertools.pairwise(cuts) if b > a]


def _is_done(under_way: Sequence[tuple[object, list[tuple[_Share, Future[list[Result]]]]]]) -> bool:
    return bool(under_way) and all(future.done() for _, future in under_way[0][1])


def _await(
    started: Sequence[tuple[_Share, Future[Result]]], stop_if_cancelled: Callable[[], None]
) -> None:
    pending = {future for _, future in started}
    while pending:
        stop_if_cancelled()
        _, pending = wait(pending, timeout=_LOOK_S)


def _in_order(
    windows: Sequence[SpokenWindow], started: list[tuple[_Share, Future[list[Result]]]]
) -> list[tuple[SpokenWindow, Result]]:
    results = {i: r for share, f in started for i, r in zip(share, f.result(), strict=True)}
    return [(window, results[i]) for i, window in enumerate(windows)]
