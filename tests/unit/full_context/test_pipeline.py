from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.engines.base import never_cancelled
from asr_core.errors import Cancelled
from asr_core.full_context.chunks import SpeechChunk
from asr_core.full_context.pipeline import map_ordered, run_cancellable


def window(n_samples: int) -> SpeechChunk:
    return SpeechChunk(0.0, np.zeros(n_samples, np.float32), b"")


def lengths(windows: Sequence[SpeechChunk]) -> list[int]:
    return [len(w.samples) for w in windows]


@given(
    rounds=st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=9), max_size=6),
    n_workers=st.integers(1, 4),
    max_batch=st.integers(1, 4),
)
def test_every_window_gets_its_own_result_in_order(
    rounds: list[list[int]], n_workers: int, max_batch: int
) -> None:
    shares: list[list[int]] = []

    def work(share: Sequence[SpeechChunk]) -> list[int]:
        shares.append(lengths(share))
        return lengths(share)

    read = [[window(n) for n in sizes] for sizes in rounds]
    found = list(
        map_ordered(
            read, work, n_workers=n_workers, max_batch=max_batch, check_cancelled=never_cancelled
        )
    )
    assert [[(len(w.samples), result) for w, result in pairs] for pairs in found] == [
        [(n, n) for n in sizes] for sizes in rounds
    ]
    assert all(len(share) <= max_batch for share in shares)


def test_workers_run_in_parallel() -> None:
    together = threading.Barrier(2, timeout=5)

    def work(share: Sequence[SpeechChunk]) -> list[int]:
        together.wait()
        return lengths(share)

    [found] = map_ordered(
        [[window(1), window(2)]], work, n_workers=2, max_batch=4, check_cancelled=never_cancelled
    )
    assert [result for _, result in found] == [1, 2]


def test_a_file_is_not_read_far_ahead_of_the_model() -> None:
    n_read = 0
    may_work = threading.Event()

    def rounds() -> Iterator[list[SpeechChunk]]:
        nonlocal n_read
        for _ in range(20):
            n_read += 1
            yield [window(1)]

    def work(share: Sequence[SpeechChunk]) -> list[int]:
        may_work.wait(5)
        return [0] * len(share)

    found = map_ordered(rounds(), work, n_workers=1, max_batch=1, check_cancelled=never_cancelled)
    threading.Timer(0.3, may_work.set).start()
    next(found)
    assert n_read <= 4
    assert len(list(found)) == 19


def test_an_error_is_raised_and_no_thread_is_left() -> None:
    def work(share: Sequence[SpeechChunk]) -> list[int]:
        time.sleep(0.01)
        raise RuntimeError("no model")

    rounds = [[window(1), window(2)] for _ in range(10)]
    with pytest.raises(RuntimeError, match="no model"):
        list(map_ordered(rounds, work, n_workers=2, max_batch=1, check_cancelled=never_cancelled))
    names = [thread.name for thread in threading.enumerate()]
    assert not any(name.startswith("asr-file-share") for name in names)


def test_cancelling_does_not_wait_for_the_model() -> None:
    may_end, is_cancelled = threading.Event(), threading.Event()

    def work(share: Sequence[SpeechChunk]) -> list[int]:
        is_cancelled.set()
        may_end.wait(10)  # a model call that cannot be interrupted
        return lengths(share)

    def stop_if_cancelled() -> None:
        if is_cancelled.is_set():
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        list(
            map_ordered(
                [[window(1)]] * 9, work, n_workers=2, max_batch=1, check_cancelled=stop_if_cancelled
            )
        )
    workers = [t for t in threading.enumerate() if t.name.startswith("asr-file-share")]
    assert workers, "it waited for the calls to end"
    may_end.set()
    for worker in workers:
        worker.join(5)
        assert not worker.is_alive()


def test_cancelling_does_not_wait_for_language_detection() -> None:
    may_end = threading.Event()

    def stop_if_cancelled() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        run_cancellable(lambda: may_end.wait(10), stop_if_cancelled)
    may_end.set()
    assert run_cancellable(lambda: "en", never_cancelled) == "en"
