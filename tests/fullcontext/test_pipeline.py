from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.engines.base import nothing
from asr_core.errors import Cancelled
from asr_core.fullcontext.pipeline import beside, side_by_side
from asr_core.fullcontext.segment import SpokenWindow


def window(n_samples: int) -> SpokenWindow:
    return SpokenWindow(0.0, np.zeros(n_samples, np.float32), b"")


def lengths(windows: Sequence[SpokenWindow]) -> list[int]:
    return [len(w.samples) for w in windows]


@given(
    rounds=st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=9), max_size=6),
    n_workers=st.integers(1, 4),
    most=st.integers(1, 4),
)
def test_every_window_gets_its_own_result_in_order(
    rounds: list[list[int]], n_workers: int, most: int
) -> None:
    shares: list[list[int]] = []

    def work(share: Sequence[SpokenWindow]) -> list[int]:
        shares.append(lengths(share))
        return lengths(share)

    read = [[window(n) for n in sizes] for sizes in rounds]
    found = list(
        side_by_side(read, work, n_workers=n_workers, most=most, stop_if_cancelled=nothing)
    )
    assert [[(len(w.samples), result) for w, result in heard] for heard in found] == [
        [(n, n) for n in sizes] for sizes in rounds
    ]
    assert all(len(share) <= most for share in shares)


def test_workers_work_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=5)

    def work(share: Sequence[SpokenWindow]) -> list[int]:
        together.wait()
        return lengths(share)

    [found] = side_by_side(
        [[window(1), window(2)]], work, n_workers=2, most=4, stop_if_cancelled=nothing
    )
    assert [result for _, result in found] == [1, 2]


def test_a_file_is_not_read_far_ahead_of_the_model() -> None:
    n_read = 0
    may_work = threading.Event()

    def rounds() -> Iterator[list[SpokenWindow]]:
        nonlocal n_read
        for _ in range(20):
            n_read += 1
            yield [window(1)]

    def work(share: Sequence[SpokenWindow]) -> list[int]:
        may_work.wait(5)
        return [0] * len(share)

    found = side_by_side(rounds(), work, n_workers=1, most=1, stop_if_cancelled=nothing)
    threading.Timer(0.3, may_work.set).start()
    next(found)
    assert n_read <= 4
    assert len(list(found)) == 19


def test_what_goes_wrong_is_raised_and_no_thread_stays() -> None:
    def work(share: Sequence[SpokenWindow]) -> list[int]:
        time.sleep(0.01)
        raise RuntimeError("no model")

    rounds = [[window(1), window(2)] for _ in range(10)]
    with pytest.raises(RuntimeError, match="no model"):
        list(side_by_side(rounds, work, n_workers=2, most=1, stop_if_cancelled=nothing))
    names = [thread.name for thread in threading.enumerate()]
    assert not any(name.startswith("asr-file-share") for name in names)


def test_who_cancels_does_not_wait_for_the_model() -> None:
    may_end, is_cancelled = threading.Event(), threading.Event()

    def work(share: Sequence[SpokenWindow]) -> list[int]:
        is_cancelled.set()
        may_end.wait(10)  # a call of the model that cannot be stopped
        return lengths(share)

    def stop_if_cancelled() -> None:
        if is_cancelled.is_set():
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        list(
            side_by_side(
                [[window(1)]] * 9, work, n_workers=2, most=1, stop_if_cancelled=stop_if_cancelled
            )
        )
    workers = [t for t in threading.enumerate() if t.name.startswith("asr-file-share")]
    assert workers, "it waited for the calls to end"
    may_end.set()
    for worker in workers:
        worker.join(5)
        assert not worker.is_alive()


def test_who_cancels_does_not_wait_for_the_language() -> None:
    may_end = threading.Event()

    def stop_if_cancelled() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        beside(lambda: may_end.wait(10), stop_if_cancelled)
    may_end.set()
    assert beside(lambda: "en", nothing) == "en"
