"""One budget for the process: what it may spend, and what each user may take of it.

An owner is a user as the app knows one: a browser. Browsers are easily made up, so owners
from one network address are a group, and no group may take all.

Whoever needs something that can run out takes a hold on it first and releases it
afterwards. What is not there is refused in a sentence for the user, before anything
was allocated. ``figures`` says how much of everything is in use.
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
from asr_core.limits import number_above_0

__all__ = ["Allowance", "Budget", "Figure", "Hold", "Resource", "process_budget"]


Whose = tuple[Hashable, Hashable]  # owner and group


class Resource(StrEnum):
    """What can run out, with its unit."""

    UPLOADS = "upload_bytes"  # on disk
    RECORDINGS = "recording_bytes"  # sound kept in memory
    JOBS = "file_jobs"  # files that are transcribed at this moment
    CONNECTIONS = "connections"  # WebSockets of pages
    SPEAKERS = "speakers"  # WebRTC connections, of all models together
    MODELS = "model_bytes"  # loaded, in memory


@dataclass(frozen=True)
class Allowance:
    """How much there is of a resource.

    Attributes:
        total: for everybody together.
        each: for one owner.
        sentence: what a user is told when it is spent; ``{what}`` becomes "you have" or
            "this server has".
    """

    total: float
    each: float
    sentence: str


_GROUP_SHARE = 0.75
"""Of a total, for one group: behind one address there may be a whole company."""


@dataclass(frozen=True)
class Figure:
    """How much of a resource is in use, by how many owners."""

    resource: Resource
    used: float
    total: float
    n_owners: int


class Hold:
    """A part of the budget that is in use; give it back with ``release``, or with ``with``.

    Any thread may call. One that is forgotten is given back when it is collected.
    """

    def __init__(self, budget: Budget, resource: Resource, whose: Whose, amount: float) -> None:
        self._budget, self._resource, self._whose = budget, resource, whose
        self._amount = [amount]  # shared with the finalizer
        self._finalizer = weakref.finalize(self, _give_back, budget, resource, whose, self._amount)

    @property
    def amount(self) -> float:
        return self._amount[0]

    def grow(self, more: float) -> None:
        """Take ``more`` on top.

        Raises:
            LimitError: there is not so much left; then nothing changes.
        """
        with self._budget._lock:
            if self._finalizer.alive:
                self._budget._add(self._resource, self._whose, more)
                self._amount[0] += more

    def release(self) -> None:
        """Give all of it back; a second time does nothing."""
        self._finalizer()

    def __enter__(self) -> Hold:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _give_back(budget: Budget, resource: Resource, whose: Whose, amount: list[float]) -> None:
    with budget._lock:
        budget._subtract(resource, whose, amount[0])


class Budget:
    """Any thread may call; the lock is held for moments.

    Args:
        allowances: by resource; one that is missing has no limit but is counted.
    """

    def __init__(self, allowances: Mapping[Resource, Allowance]) -> None:
        self._allowances = dict(allowances)
        # Reentrant: a hold may be collected, and so given back, while the lock is held.
        self._lock = threading.RLock()  # guards the one below
        self._used: dict[Resource, dict[Whose, float]] = {name: {} for name in Resource}

    def take(
        self, resource: Resource, amount: float, owner: Hashable = None, group: Hashable = None
    ) -> Hold:
        """Reserve ``amount`` for ``owner``.

        Args:
            group: of the owner, such as the network address; None for no group.

        Raises:
            LimitError: the owner, the group or the process has not so much left.
        """
        self._add(resource, (owner, group), amount)
        return Hold(self, resource, (owner, group), amount)

    def used(self, resource: Resource, owner: Hashable = None) -> float:
        """By one owner."""
        with self._lock:
            return sum(n for (name, _), n in self._used[resource].items() if name == owner)

    def figures(self) -> tuple[Figure, ...]:
        """As of now, one for each resource."""
        with self._lock:
            return tuple(
                Figure(
                    name,
                    sum(by_owner.values()),
                    self._allowances[name].total if name in self._allowances else float("inf"),
                    len(by_owner),
                )
                for name, by_owner in self._used.items()
            )

    def _add(self, resource: Resource, whose: Whose, amount: float) -> None:
        allowed = self._allowances.get(resource)
        with self._lock:
            used = self._used[resource]
            if allowed is not None:
                owner, group = whose
                total = sum(used.values())
                mine = sum(n for (name, _), n in used.items() if name == owner)
                ours = sum(n for (_, name), n in used.items() if name == group)
                if owner is not None and mine + amount > allowed.each:
                    raise LimitError(allowed.sentence.format(what="you have"))
                is_over = group is not None and ours + amount > max(
                    allowed.each, _GROUP_SHARE * allowed.total
                )
                if is_over or total + amount > allowed.total:
                    raise LimitError(allowed.sentence.format(what="this server has"))
            used[whose] = used.get(whose, 0.0) + amount

    def _subtract(self, resource: Resource, whose: Whose, amount: float) -> None:
        with self._lock:
            used = self._used[resource]
            left = used.get(whose, 0.0) - amount
            if left > 0:
                used[whose] = left
            else:
                used.pop(whose, None)


_GB = 1e9
_SPARE_DESCRIPTORS = 200
"""For the server itself: libraries, sockets, databases."""

_JOBS = 4
"""Files at once: each takes memory, and those who speak go first anyway."""

_SPEAKERS_EACH = 2

_PAGES_EACH = 12
"""Pages of one browser at a time."""

_DESCRIPTORS_EACH = 4
"""A page takes one for its WebSocket and up to three for its sound."""


def _memory_bytes() -> float:
    """Of this machine, or of the container that the process is in."""
    if sys.platform == "win32":
        return 8 * _GB  # nothing in the standard library tells
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return float(min(installed, int((Path("/sys/fs/cgroup") / name).read_text())))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return float(installed)


def _descriptors() -> int:
    """That the process may open, after it asked for as many as it may have."""
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


def _number(settings: Mapping[str, str], name: str, default: float) -> float:
    found = number_above_0(settings, name)
    return default if found is None else found


def read_allowances(settings: Mapping[str, str] = os.environ) -> dict[Resource, Allowance]:
    """What this machine can give, unless the settings say otherwise.

    ``ASR_MAX_UPLOADS_MB`` on disk (half of what is free, 20 GB at most),
    ``ASR_MAX_RECORDINGS_MB`` in memory (an eighth of it), ``ASR_MAX_CONNECTIONS`` (as many
    as descriptors allow, 2,000 at most), ``ASR_MAX_SPEAKERS`` (no limit but what is
    measured), ``ASR_MAX_MODELS_MB`` in memory (half of it).

    Raises:
        LimitError: one of them is no number above zero.
    """
    memory = _memory_bytes()
    free = shutil.disk_usage(tempfile.gettempdir()).free
    uploads = 1e6 * _number(settings, "ASR_MAX_UPLOADS_MB", min(free / 2, 20 * _GB) / 1e6)
    recordings = 1e6 * _number(settings, "ASR_MAX_RECORDINGS_MB", memory / 8 / 1e6)
    by_descriptors = max(8, (_descriptors() - _SPARE_DESCRIPTORS) // _DESCRIPTORS_EACH)
    connections = _number(settings, "ASR_MAX_CONNECTIONS", min(2000, by_descriptors))
    speakers = _number(settings, "ASR_MAX_SPEAKERS", 10_000)
    models = 1e6 * _number(settings, "ASR_MAX_MODELS_MB", memory / 2 / 1e6)
    return {
        Resource.UPLOADS: Allowance(
            uploads, uploads / 4,
            "There is no room for this file: {what} too many uploads stored already. "
            "Clear the ones that are done, or try a smaller file.",
        ),
        Resource.RECORDINGS: Allowance(
            recordings, recordings / 4,
            "The recording is no longer kept: {what} too much sound in memory already. "
            "The words go on.",
        ),
        Resource.CONNECTIONS: Allowance(
            connections, min(_PAGES_EACH, connections),
            "No further page can be opened: {what} too many open. Close some and try again.",
        ),
        Resource.SPEAKERS: Allowance(
            max(1, int(speakers)), min(_SPEAKERS_EACH, max(1, int(speakers))),
            "Nobody else can speak now: {what} as many connections for sound as there may be.",
        ),
        Resource.JOBS: Allowance(
            _JOBS, _JOBS / 2,
            "This file waits its turn: {what} as many at work as there may be.",
        ),
        Resource.MODELS: Allowance(
            models, models,
            "This model does not fit: {what} too little memory left for it. "
            "Choose a smaller one, or ask whoever runs this app.",
        ),
    }  # fmt: skip


_making = threading.Lock()
_made: list[Budget] = []  # one at most


def process_budget() -> Budget:
    """The one of this process, made from the environment at the first call. Any thread may call.

    Raises:
        LimitError: a setting is no number above zero.
    """
    with _making:
        if not _made:
            _made.append(Budget(read_allowances()))
        return _made[0]
