from __future__ import annotations

from asr_core.ops.rate_limit import KeyedBuckets, TokenBucket


def test_a_burst_passes_and_then_the_sustained_rate() -> None:
    bucket = TokenBucket(per_s=2, burst=3)
    assert [bucket.try_acquire(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_s(0.0) == 0.5
    assert bucket.try_acquire(0.5)
    assert not bucket.try_acquire(0.6)
    assert [bucket.try_acquire(100.0) for _ in range(4)] == [True, True, True, False]


def test_keys_are_independent_and_do_not_accumulate() -> None:
    now = 0.0
    buckets = KeyedBuckets(per_s=1, burst=1, max_keys=2, clock=lambda: now)
    assert buckets.try_acquire("one")
    assert not buckets.try_acquire("one")
    assert buckets.try_acquire("other")
    assert buckets.wait_s("other") == 1
    for key in range(1000):
        buckets.try_acquire(key)
    assert [key for key in reversed(range(1000)) if not buckets.try_acquire(key)] == [999, 998]
