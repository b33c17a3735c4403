"""Rate limiting with token buckets."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

__all__ = ["KeyedBuckets", "TokenBucket"]


class TokenBucket:
    """Token bucket. Not thread-safe; the time is passed in.

    Args:
        per_s: tokens added per second.
        burst: capacity, and the initial number of tokens.
    """

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst = per_s, burst
        self._tokens = burst
        self._at: float | None = None

    def try_acquire(self, now: float, amount: float = 1.0) -> bool:
        """Remove ``amount`` tokens if available; return whether they were."""
        self._refill(now)
        if amount > self._tokens:
            return False
        self._tokens -= amount
        return True

    def wait_s(self, now: float, amount: float = 1.0) -> float:
        """Return the seconds until ``amount`` tokens are available."""
        self._refill(now)
        return max(0.0, (min(amount, self._burst) - self._tokens) / self._per_s)

    def _refill(self, now: float) -> None:
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now


class KeyedBuckets:
    """Token bucket per key; the least recently used are dropped. Any thread may call."""

    def __init__(
        self,
        per_s: float,
        burst: float,
        *,
        max_keys: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_s, self._burst, self._max_keys, self._clock = per_s, burst, max_keys, clock
        self._lock = threading.Lock()  # guards the one below
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def try_acquire(self, key: Hashable, amount: float = 1.0) -> bool:
        """Remove ``amount`` tokens of ``key`` if available; return whether they were."""
        with self._lock:
            return self._bucket(key).try_acquire(self._clock(), amount)

    def wait_s(self, key: Hashable, amount: float = 1.0) -> float:
        """Return the seconds until ``amount`` tokens of ``key`` are available."""
        with self._lock:
            return self._bucket(key).wait_s(self._clock(), amount)

    def _bucket(self, key: Hashable) -> TokenBucket:
        bucket = self._buckets.pop(key, None) or TokenBucket(self._per_s, self._burst)
        self._buckets[key] = bucket
        while len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return bucket
