"""Admission control: as many speakers as the machine serves in time; the others queue.

Nobody has to ask twice: a waiting client asks with every frame of its audio, and is admitted,
first come first served, when somebody leaves. A client that stops asking (its tab was closed)
loses its position.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from asr_core.errors import LimitError
from asr_core.ops.budget import Budget, Reservation, Resource

__all__ = ["MAX_PAGES_PER_USER", "AdmissionQueue"]

_CLIENT_TIMEOUT_S = 5.0  # without a request; frames come fifty times a second

_CONNECTING_S = 5.0  # more for a client that has just joined: its connection is being made

_INITIAL_STAY_S = 120.0  # assumed until somebody has left, for the estimate

_STAY_EMA_WEIGHT = 0.2  # of the newest stay

_MAX_WAITING_PER_SPEAKER = 2  # a waiting client's connection costs those who speak

MAX_PAGES_PER_USER = 2
"""Pages on which one user may speak or wait at a time."""

_SETTLE_S = 5.0  # after an admission, until its cost is measured


@dataclass(frozen=True)
class _Admission:
    """Admitted client."""

    since_s: float
    reservation: Reservation


def _owner(client: Hashable) -> Hashable:
    """Return the user behind a client; one without an owner is a user of its own."""
    owner: Hashable = getattr(client, "owner", client)
    return owner


class AdmissionQueue:
    """Queue of one model's speakers. Any thread may call; the lock is held for moments.

    Args:
        capacity: returns how many may be admitted now; nobody is turned out when it falls. The
            second half is admitted one at a time: capacity is measured, and a measurement with
            few speakers underestimates what each costs among many.
        clock: seconds, monotonic.
        budget: of speakers; the queues of all models share one, so that they admit no more
            than it has together.
    """

    def __init__(
        self,
        capacity: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        budget: Budget | None = None,
    ) -> None:
        self._capacity, self._clock = capacity, clock
        self._budget = budget or Budget({})
        self._lock = threading.Lock()  # guards the four below
        self._admitted: dict[Hashable, _Admission] = {}
        self._waiting: dict[Hashable, float] = {}  # in order; time of the last request
        self._stay_s = _INITIAL_STAY_S
        self._last_admission_s = -math.inf

    def enter(self, client: Hashable) -> bool:
        """Request admission and return True once admitted; to be called again and again.

        If the queue is full, the client is neither admitted nor queued: `position` is None.
        """
        now = self._clock()
        with self._lock:
            if client in self._admitted:
                return True
            self._drop_absent(now)
            if client not in self._waiting and (self._is_full() or self._is_at_limit(client)):
                return False
            self._waiting[client] = now
            if list(self._waiting).index(client) >= self._n_free(now):
                return False
            try:
                reservation = self._budget.reserve(Resource.SPEAKERS, 1, _owner(client))
            except LimitError:  # another model's queue admitted somebody meanwhile
                return False
            del self._waiting[client]
            self._admitted[client] = _Admission(now, reservation)
            self._last_admission_s = now
            return True

    def join(self, client: Hashable) -> bool:
        """Queue a client whose audio has not begun; return False if the queue is full.

        Like every waiting client it is dropped unless it requests admission soon, though it has
        time to connect first.
        """
        now = self._clock()
        with self._lock:
            self._drop_absent(now)
            if client in self._admitted or client in self._waiting:
                return True
            if self._is_full():
                return False
            self._waiting[client] = now + _CONNECTING_S
            return True

    def is_at_limit(self, client: Hashable) -> bool:
        """Return True if the client's user speaks or waits on as many pages as allowed."""
        with self._lock:
            self._drop_absent(self._clock())
            return self._is_at_limit(client)

    def _is_at_limit(self, client: Hashable) -> bool:
        owner = _owner(client)
        n_waiting = sum(_owner(other) == owner for other in self._waiting if other != client)
        return n_waiting + self._budget.used(Resource.SPEAKERS, owner) >= MAX_PAGES_PER_USER

    def leave(self, client: Hashable) -> None:
        """Make room for the next one, or stop waiting."""
        with self._lock:
            self._waiting.pop(client, None)
            admission = self._admitted.pop(client, None)
            if admission is not None:
                admission.reservation.release()
                stay_s = self._clock() - admission.since_s
                self._stay_s += _STAY_EMA_WEIGHT * (stay_s - self._stay_s)

    def position(self, client: Hashable) -> int | None:
        """Return the client's position, 1 for the next; None if it does not wait."""
        with self._lock:
            self._drop_absent(self._clock())
            return list(self._waiting).index(client) + 1 if client in self._waiting else None

    def estimated_wait_s(self, client: Hashable) -> float | None:
        """Return the estimated wait, from how long others stayed; None if unknown."""
        position = self.position(client)
        with self._lock:
            if position is None or not self._admitted:
                return None
            return self._stay_s * position / len(self._admitted)

    @property
    def is_full(self) -> bool:
        """True if nobody else may join the queue."""
        with self._lock:
            self._drop_absent(self._clock())
            return self._is_full()

    @property
    def n_admitted(self) -> int:
        """Number of admitted clients."""
        return len(self._admitted)

    @property
    def n_waiting(self) -> int:
        """Number of waiting clients."""
        return len(self._waiting)

    def _is_full(self) -> bool:
        return len(self._waiting) >= _MAX_WAITING_PER_SPEAKER * max(1, self._capacity())

    def _n_free(self, now: float) -> int:
        capacity = self._capacity()
        if now - self._last_admission_s < _SETTLE_S:
            capacity = (capacity + 1) // 2
        return capacity - len(self._admitted)

    def _drop_absent(self, now: float) -> None:
        absent = [c for c, asked in self._waiting.items() if now - asked > _CLIENT_TIMEOUT_S]
        for client in absent:
            del self._waiting[client]
