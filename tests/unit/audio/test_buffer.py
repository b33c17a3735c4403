from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.audio.buffer import AudioBuffer


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(0, 300_000)),
            st.tuples(st.just("drop"), st.integers(0, 400_000)),
        ),
        max_size=20,
    )
)
def test_positions_stay_valid_whatever_is_dropped(steps: list[tuple[str, int]]) -> None:
    buffer = AudioBuffer()
    everything = np.zeros(0, np.float32)
    for action, n in steps:
        if action == "append":
            new = np.arange(len(everything), len(everything) + n, dtype=np.float32)
            everything = np.concatenate([everything, new])
            buffer.append(new)
        else:
            buffer.drop_before(n)
        assert buffer.end == len(everything)
        kept = buffer.read(buffer.start, buffer.end)
        assert np.array_equal(kept, everything[buffer.start : buffer.end])


def test_dropped_and_future_samples_are_refused() -> None:
    buffer = AudioBuffer()
    buffer.append(np.zeros(100, np.float32))
    buffer.drop_before(50)
    with pytest.raises(IndexError):
        buffer.read(0, 60)
    with pytest.raises(IndexError):
        buffer.read(60, 101)


def test_no_sample_is_lost_between_two_threads() -> None:
    buffer = AudioBuffer()
    n_frames = 2_000

    def receive() -> None:
        for i in range(n_frames):
            buffer.append(np.full(320, i, np.float32))

    thread = threading.Thread(target=receive)
    thread.start()
    at, total = 0, 0.0
    while at < n_frames * 320:
        end = buffer.end
        total += float(buffer.read(at, end).sum(dtype=np.float64))
        buffer.drop_before(end)
        at = end
    thread.join()
    assert total == 320 * n_frames * (n_frames - 1) / 2


def test_memory_is_bounded_when_old_samples_are_dropped() -> None:
    tracemalloc.start()
    try:
        buffer = AudioBuffer()
        for _ in range(1_000):
            buffer.append(np.zeros(16_000, np.float32))
            buffer.drop_before(buffer.end - 16_000)
        n_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n_bytes < 3e6
