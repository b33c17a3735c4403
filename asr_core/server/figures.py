"""How the server does: read from the schedulers and the budget, for Prometheus and the operator.

Nothing of what was said is in here: counts, seconds, names of error types.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from asr_core.errors import LimitError
from asr_core.ops.budget import process_budget
from asr_core.ops.metrics import errors_by_place, times_real_time
from asr_core.server.status_server import StatusServer
from asr_core.streaming.scheduler import schedulers

__all__ = ["Figures", "figures", "serve_metrics"]


@dataclass(frozen=True)
class Figures:
    """How the server does, for whoever runs it.

    Attributes:
        speaking, waiting, capacity: users who speak, who wait for a place, and how many
            can be served in time.
        lag_s: how far words are behind the voice, median and 95th percentile.
        times_real_time: of files, seconds of audio for one of work; None before the first.
        errors: how often what failed where, since the start.
    """

    speaking: int
    waiting: int
    capacity: int
    lag_s: tuple[float, float]
    times_real_time: float | None
    errors: tuple[tuple[str, str, int], ...]


def figures() -> Figures:
    """As of now. Any thread may call."""
    running = schedulers()
    lags = [lag for scheduler in running for lag in scheduler.lags_s()] or [0.0]
    n_admitted = sum(s.admission.n_admitted for s in running)
    n_free = max((s.capacity() - s.admission.n_admitted for s in running), default=0)
    return Figures(
        speaking=sum(s.n_sessions for s in running),
        waiting=sum(s.admission.n_waiting for s in running),
        capacity=n_admitted + max(0, n_free),  # the models share one machine
        lag_s=(float(np.quantile(lags, 0.5)), float(np.quantile(lags, 0.95))),
        times_real_time=times_real_time(),
        errors=errors_by_place(),
    )


class _Live(Collector):
    """Read from the schedulers when somebody asks."""

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        now = figures()
        for name, text, value in (
            ("sessions", "Live sessions", now.speaking),
            ("waiting", "Users who wait for a place", now.waiting),
            ("capacity", "Speakers served in time", now.capacity),
        ):
            yield GaugeMetricFamily(f"asr_live_{name}", text, value=value)
        family = GaugeMetricFamily(
            "asr_live_lag_seconds", "How far words are behind the voice", labels=["quantile"]
        )
        for quantile, lag_s in zip(("0.5", "0.95"), now.lag_s, strict=True):
            family.add_metric([quantile], lag_s)
        yield family
        yield from _budget()
        yield GaugeMetricFamily("asr_threads", "Threads of the process", value=_n_threads())


def _budget() -> Iterable[Metric]:
    """How much of everything that can run out is in use; nothing if a setting is wrong."""
    used, total, owners = (
        GaugeMetricFamily(f"asr_budget_{name}", text, labels=["resource"])
        for name, text in (
            ("used", "What is in use, in the unit that the resource's name tells"),
            ("total", "How much there is for everybody together"),
            ("owners", "Users who have some of it"),
        )
    )
    with suppress(LimitError):  # health tells
        for figure in process_budget().figures():
            used.add_metric([figure.resource], figure.used)
            total.add_metric([figure.resource], figure.total)
            owners.add_metric([figure.resource], figure.n_owners)
    yield from (used, total, owners)


def _n_threads() -> int:
    """Of the libraries, too, where the system tells."""
    if sys.platform != "linux":
        return threading.active_count()
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def serve_metrics(port: int, address: str = "127.0.0.1") -> StatusServer:
    """Serve ``/metrics`` and ``/health`` on a port of their own, from a thread of their own.

    Raises:
        OSError: the port is taken.
    """
    return StatusServer(port, address)


REGISTRY.register(_Live())
