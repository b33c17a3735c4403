"""Who may speak: as many as the machine serves in time; the others wait their turn.

Nobody is asked to press anything again: who waits asks with every frame of sound,
and is let in, first come first served, when somebody leaves. Who stops asking (the
tab was closed) loses the place.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from asr_core.budget import Budget, Hold, Resource
from asr_core.errors import LimitError

__all__ = ["WaitingLine"]

_GONE_S = 5.0
"""Who has not asked for so long has left; frames come fifty times a second."""

_USUAL_STAY_S = 120.0
"""For the estimate, as long as nobody has left yet."""

_MEMORY = 0.2

_MOST_WAITING = 2
"""For each place: who waits keeps a connection, which takes from those who speak."""

PLACES_EACH = 2
"""Of one user, on pages of theirs."""

_SETTLE_S = 5.0
"""After one came in, until it is known what that one costs."""


@dataclass(frozen=True)
class _Place:
    """Of one who is in."""

    since: float
    hold: Hold


def _owner(who: Hashable) -> Hashable:
    """Return the user behind ``who``; one that tells none is a user of its own."""
    owner: Hashable = getattr(who, "owner", who)
    return owner


class WaitingLine:
    """Any thread may call; the lock is held for moments.

    Args:
        capacity: how many may be in at this moment; who is in stays in when it falls. The
            second half of them come in one by one: capacity is measured, and what is
            measured while few speak is less than what each costs among many.
        clock: seconds, monotonic.
        budget: has a speaker for each who is in; the lines of all models share it, so
            that they let in no more than it has, all together.
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
        self._inside: dict[Hashable, _Place] = {}
        self._waiting: dict[Hashable, float] = {}  # in order; when they last asked
        self._stay_s = _USUAL_STAY_S
        self._entered_at = -math.inf  # the last one

    def enter(self, who: Hashable) -> bool:
        """Ask to be let in; True once ``who`` is. To be asked again and again.

        Who comes when the line is full neither is let in nor waits: ``place`` is None.
        """
        now = self._clock()
        with self._lock:
            if who in self._inside:
                return True
            self._forget_those_gone(now)
            if who not in self._waiting and (self._has_no_room() or self._has_enough(who)):
                return False
            self._waiting[who] = now
            if list(self._waiting).index(who) >= self._n_free(now):
                return False
            try:
                hold = self._budget.take(Resource.SPEAKERS, 1, _owner(who))
            except LimitError:  # somebody came in by the line of another model
                return False
            del self._waiting[who]
            self._inside[who] = _Place(now, hold)
            self._entered_at = now
            return True

    def join(self, who: Hashable) -> bool:
        """Begin to wait, for one whose sound is not there yet; False if the line is full.

        Who does not ask to be let in soon after is forgotten, as all who wait.
        """
        now = self._clock()
        with self._lock:
            self._forget_those_gone(now)
            if who in self._inside or who in self._waiting:
                return True
            if self._has_no_room():
                return False
            self._waiting[who] = now
            return True

    def has_enough(self, who: Hashable) -> bool:
        """Whether the owner of ``who`` speaks, or waits, on as many pages as one user may."""
        with self._lock:
            self._forget_those_gone(self._clock())
            return self._has_enough(who)

    def _has_enough(self, who: Hashable) -> bool:
        owner = _owner(who)
        n_waiting = sum(_owner(other) == owner for other in self._waiting if other != who)
        return n_waiting + self._budget.used(Resource.SPEAKERS, owner) >= PLACES_EACH

    def leave(self, who: Hashable) -> None:
        """Give the place back, or stop waiting."""
        with self._lock:
            self._waiting.pop(who, None)
            place = self._inside.pop(who, None)
            if place is not None:
                place.hold.release()
                self._stay_s += _MEMORY * (self._clock() - place.since - self._stay_s)

    def place(self, who: Hashable) -> int | None:
        """1 is next; None for those who do not wait."""
        with self._lock:
            self._forget_those_gone(self._clock())
            return list(self._waiting).index(who) + 1 if who in self._waiting else None

    def wait_s(self, who: Hashable) -> float | None:
        """About how long it will take, from how long others stayed; None as for ``place``."""
        place = self.place(who)
        with self._lock:
            if place is None or not self._inside:
                return None
            return self._stay_s * place / len(self._inside)

    @property
    def is_full(self) -> bool:
        """Nobody else should begin to wait."""
        with self._lock:
            self._forget_those_gone(self._clock())
            return self._has_no_room()

    @property
    def n_inside(self) -> int:
        return len(self._inside)

    @property
    def n_waiting(self) -> int:
        return len(self._waiting)

    def _has_no_room(self) -> bool:
        return len(self._waiting) >= _MOST_WAITING * max(1, self._capacity())

    def _n_free(self, now: float) -> int:
        capacity = self._capacity()
        if now - self._entered_at < _SETTLE_S:
            capacity = (capacity + 1) // 2
        return capacity - len(self._inside)

    def _forget_those_gone(self, now: float) -> None:
        gone = [who for who, asked in self._waiting.items() if now - asked > _GONE_S]
        for who in gone:
            del self._waiting[who]
