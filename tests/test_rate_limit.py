from __future__ import annotations

from asr_core.rate_limit import KeyedBuckets, TokenBucket


def test_a_burst_is_let_through_and_then_so_much_a_second() -> None:
    bucket = TokenBucket(per_s=2, burst=3)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_s(0.0) == 0.5
    assert bucket.take(0.5)
    assert not bucket.take(0.6)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_keys_do_not_share_and_do_not_pile_up() -> None:
    now = 0.0
    buckets = KeyedBuckets(per_s=1, burst=1, max_keys=2, clock=lambda: now)
    assert buckets.take("one")
    assert not buckets.take("one")
    assert buckets.take("other")
    assert buckets.wait_s("other") == 1
    for key in range(1000):
        buckets.take(key)
    assert len(buckets._buckets) == 2
