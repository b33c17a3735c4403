"""Resource budget of the process, with a quota for each user.

An owner is a user as the app knows one: a browser. Browsers are easily faked, so the owners
behind one network address form a group, and no group may use everything.

A resource that can run out is reserved before it is allocated and released afterwards. A
refusal is a sentence for the user.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import weakref
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType

from asr_core.errors import LimitError
from asr_core.settings import read_settings

__all__ = ["Budget", "Quota", "Reservation", "Resource", "ResourceUsage", "process_budget"]


Holder = tuple[Hashable, Hashable]  # owner and group


class Resource(StrEnum):
    """Resources that can run out, named with their units."""

    UPLOADS = "upload_bytes"  # on disk
    RECORDINGS = "recording_bytes"  # audio kept in memory
    JOBS = "file_jobs"  # files being transcribed
    CONNECTIONS = "connections"  # WebSockets of pages
    SPEAKERS = "speakers"  # WebRTC connections, all models together
    MODELS = "model_bytes"  # loaded, in memory


@dataclass(frozen=True)
class Quota:
    """Amount of a resource that may be in use.

    Attributes:
        total: for all users together.
        each: for one owner.
        sentence: message to the user when it is used up; ``{what}`` becomes "you have" or
            "this server has".
    """

    total: float
    each: float
    sentence: str


_GROUP_SHARE = 0.75
"""Share of a total that one group may use: a whole company may be behind one address."""


_POLL_S = 0.2
"""Seconds between two attempts of one who waits for room."""


@dataclass(frozen=True)
class ResourceUsage:
    """Amount of a resource in use, and the number of owners who use it."""

    resource: Resource
    used: float
    total: float
    n_owners: int


class Reservation:
    """Reserved amount of a resource; also a context manager that releases it.

    Any thread may call. An unreleased reservation ends when it is garbage-collected.
    """

    def __init__(self, budget: Budget, resource: Resource, holder: Holder, amount: float) -> None:
        self._budget, self._resource, self._holder = budget, resource, holder
        self._amount = [amount]  # shared with the finalizer
        self._finalizer = weakref.finalize(self, _release, budget, resource, holder, self._amount)

    @property
    def amount(self) -> float:
        return self._amount[0]

    def grow(self, more: float) -> None:
        """Reserve ``more`` in addition.

        Raises:
            LimitError: a quota would be exceeded; nothing changes.
        """
        with self._budget._lock:
            if self._finalizer.alive:
                self._budget._add(self._resource, self._holder, more)
                self._amount[0] += more

    def shrink(self, less: float) -> None:
        """Release ``less`` of it."""
        with self._budget._lock:
            if self._finalizer.alive:
                self._budget._subtract(self._resource, self._holder, less)
                self._amount[0] -= less

    def release(self) -> None:
        """Release all of it; further calls do nothing."""
        self._finalizer()

    def __enter__(self) -> Reservation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _release(budget: Budget, resource: Resource, holder: Holder, amount: list[float]) -> None:
    with budget._lock:
        budget._subtract(resource, holder, amount[0])


class Budget:
    """Accounting of reserved resources against quotas. Any thread may call.

    Args:
        quotas: by resource; a resource without one is counted but not limited.
    """

    def __init__(self, quotas: Mapping[Resource, Quota]) -> None:
        self._quotas = dict(quotas)
        # Reentrant: a reservation may be garbage-collected while the lock is held.
        self._lock = threading.RLock()  # guards the one below
        self._used: dict[Resource, dict[Holder, float]] = {name: {} for name in Resource}

    def reserve(
        self, resource: Resource, amount: float, owner: Hashable = None, group: Hashable = None
    ) -> Reservation:
        """Reserve ``amount`` for ``owner``.

        Args:
            resource: what to reserve.
            amount: in the resource's unit.
            owner: None for the process itself.
            group: the owner's group, such as the network address; None for no group.

        Raises:
            LimitError: a quota of the owner, the group or the process would be exceeded.
        """
        self._add(resource, (owner, group), amount)
        return Reservation(self, resource, (owner, group), amount)

    def reserve_in_turn(
        self,
        resource: Resource,
        amount: float,
        owner: Hashable,
        group: Hashable,
        cancel: threading.Event,
    ) -> Reservation | None:
        """Wait until there is room, and reserve it; return None once ``cancel`` is set."""
        while not cancel.is_set():
            try:
                return self.reserve(resource, amount, owner, group)
            except LimitError:
                cancel.wait(_POLL_S)
        return None

    def used(self, resource: Resource, owner: Hashable = None) -> float:
        """Return the amount that one owner has reserved."""
        with self._lock:
            return sum(n for (name, _), n in self._used[resource].items() if name == owner)

    def usage(self) -> tuple[ResourceUsage, ...]:
        """Return the present usage of each resource."""
        with self._lock:
            return tuple(
                ResourceUsage(
                    name,
                    sum(by_holder.values()),
                    self._quotas[name].total if name in self._quotas else float("inf"),
                    len(by_holder),
                )
                for name, by_holder in self._used.items()
            )

    def _add(self, resource: Resource, holder: Holder, amount: float) -> None:
        quota = self._quotas.get(resource)
        with self._lock:
            used = self._used[resource]
            if quota is not None:
                owner, group = holder
                total = sum(used.values())
                by_owner = sum(n for (name, _), n in used.items() if name == owner)
                by_group = sum(n for (_, name), n in used.items() if name == group)
                if owner is not None and by_owner + amount > quota.each:
                    raise LimitError(quota.sentence.format(what="you have"))
                is_over = group is not None and by_group + amount > max(
                    quota.each, _GROUP_SHARE * quota.total
                )
                if is_over or total + amount > quota.total:
                    raise LimitError(quota.sentence.format(what="this server has"))
            used[holder] = used.get(holder, 0.0) + amount

    def _subtract(self, resource: Resource, holder: Holder, amount: float) -> None:
        with self._lock:
            used = self._used[resource]
            left = used.get(holder, 0.0) - amount
            if left > 0:
                used[holder] = left
            else:
                used.pop(holder, None)


_GB = 1e9
_SPARE_DESCRIPTORS = 200
"""File descriptors for the server itself: libraries, sockets, databases."""

_MAX_JOBS = 4
"""Files transcribed at once; each needs memory, and live speech goes first anyway."""

_MAX_SPEAKERS_EACH = 2

_MAX_PAGES_EACH = 12
"""Open pages of one browser."""

_DESCRIPTORS_PER_PAGE = 4
"""File descriptors of a page: one for its WebSocket, up to three for its audio."""


def _memory_bytes() -> float:
    """Return the memory of this machine or container."""
    if sys.platform == "win32":
        return 8 * _GB  # the standard library cannot tell
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return float(min(installed, int((Path("/sys/fs/cgroup") / name).read_text())))
        except (OSError, ValueError):  # no such control group, or "max"
            continue
    return float(installed)


def _raise_descriptor_limit() -> int:
    """Raise the process's limit of file descriptors as far as possible; return the limit."""
    if sys.platform == "win32":
        return 8192
    import resource as system

    soft, hard = system.getrlimit(system.RLIMIT_NOFILE)
    most = min(hard, 65_536) if hard != system.RLIM_INFINITY else 65_536
    if soft == system.RLIM_INFINITY or soft >= most:
        return most
    try:
        system.setrlimit(system.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):
        return soft
    return most


def read_quotas() -> dict[Resource, Quota]:
    """Return the quotas that the settings ask for, by default what this machine can give.

    Raises:
        SettingsError: a setting is not valid.
    """
    chosen = read_settings()
    memory_mb = _memory_bytes() / 1e6
    free = shutil.disk_usage(tempfile.gettempdir()).free
    uploads = 1e6 * (chosen.max_uploads_mb or min(free / 2, 20 * _GB) / 1e6)
    recordings = 1e6 * (chosen.max_recordings_mb or memory_mb / 8)
    spare = _raise_descriptor_limit() - _SPARE_DESCRIPTORS
    by_descriptors = max(8, spare // _DESCRIPTORS_PER_PAGE)
    connections = chosen.max_connections or min(2000, by_descriptors)
    speakers = chosen.max_speakers or 10_000  # limited by the measured capacity
    models = 1e6 * (chosen.max_model_memory_mb or memory_mb / 2)
    return {
        Resource.UPLOADS: Quota(
            uploads, uploads / 4,
            "There is no room for this file: {what} too many uploads stored already. "
            "Clear the finished ones, or try a smaller file.",
        ),
        Resource.RECORDINGS: Quota(
            recordings, recordings / 4,
            "The recording is no longer kept: {what} too much audio in memory already. "
            "Transcription continues.",
        ),
        Resource.CONNECTIONS: Quota(
            connections, min(_MAX_PAGES_EACH, connections),
            "No further page can be opened: {what} too many open. Close some and try again.",
        ),
        Resource.SPEAKERS: Quota(
            speakers, min(_MAX_SPEAKERS_EACH, speakers),
            "Nobody else can speak now: {what} the maximum number of audio connections.",
        ),
        Resource.JOBS: Quota(
            _MAX_JOBS, _MAX_JOBS / 2,
            "This file is waiting: {what} the maximum number of files in progress.",
        ),
        Resource.MODELS: Quota(
            models, models,
            "This model does not fit: {what} too little memory left for it. "
            "Choose a smaller one, or ask whoever runs this app.",
        ),
    }  # fmt: skip


_making = threading.Lock()
_made: list[Budget] = []  # at most one


def process_budget() -> Budget:
    """Return the process's budget, made from the settings at the first call.

    Any thread may call.

    Raises:
        SettingsError: a setting is not valid.
    """
    with _making:
        if not _made:
            _made.append(Budget(read_quotas()))
        return _made[0]
