"""Status of the server for Prometheus and the operator's page.

It consists of counts, seconds and names of error types, never of transcripts.
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
from asr_core.ops.metrics import error_counts, file_rtfx
from asr_core.server.status_server import StatusServer
from asr_core.streaming.scheduler import schedulers

__all__ = ["ServerStatus", "serve_metrics", "server_status"]


@dataclass(frozen=True)
class ServerStatus:
    """Load, latency and failures of the server.

    Attributes:
        n_speaking: users who speak.
        n_waiting: users who wait for admission.
        capacity: users who can be served in real time.
        lag_s: delay from voice to words, median and 95th percentile.
        file_rtfx: inverse real-time factor of files; None before the first.
        errors: component, exception type and count of failures since the start.
    """

    n_speaking: int
    n_waiting: int
    capacity: int
    lag_s: tuple[float, float]
    file_rtfx: float | None
    errors: tuple[tuple[str, str, int], ...]


def server_status() -> ServerStatus:
    """Return the present status. Any thread may call."""
    running = schedulers()
    lags = [lag for scheduler in running for lag in scheduler.lags_s()] or [0.0]
    n_admitted = sum(s.admission.n_admitted for s in running)
    n_free = max((s.capacity() - s.admission.n_admitted for s in running), default=0)
    return ServerStatus(
        n_speaking=sum(s.n_sessions for s in running),
        n_waiting=sum(s.admission.n_waiting for s in running),
        capacity=n_admitted + max(0, n_free),  # the models share one machine
        lag_s=(float(np.quantile(lags, 0.5)), float(np.quantile(lags, 0.95))),
        file_rtfx=file_rtfx(),
        errors=error_counts(),
    )


class _LiveCollector(Collector):
    """Prometheus collector that reads the schedulers and the budget on request."""

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        status = server_status()
        for name, text, value in (
            ("sessions", "Live sessions", status.n_speaking),
            ("waiting", "Users waiting for admission", status.n_waiting),
            ("capacity", "Speakers that can be served in real time", status.capacity),
        ):
            yield GaugeMetricFamily(f"asr_live_{name}", text, value=value)
        family = GaugeMetricFamily(
            "asr_live_lag_seconds", "Delay from voice to words", labels=["quantile"]
        )
        for quantile, lag_s in zip(("0.5", "0.95"), status.lag_s, strict=True):
            family.add_metric([quantile], lag_s)
        yield family
        yield from _budget_metrics()
        yield GaugeMetricFamily("asr_threads", "Threads of the process", value=_n_threads())


def _budget_metrics() -> Iterable[Metric]:
    """Yield the usage of each resource; empty metrics if a setting is wrong."""
    used, total, owners = (
        GaugeMetricFamily(f"asr_budget_{name}", text, labels=["resource"])
        for name, text in (
            ("used", "Amount in use, in the unit of the resource's name"),
            ("total", "Amount available to all users together"),
            ("owners", "Users who use some of it"),
        )
    )
    with suppress(LimitError):  # reported by health
        for usage in process_budget().usage():
            used.add_metric([usage.resource], usage.used)
            total.add_metric([usage.resource], usage.total)
            owners.add_metric([usage.resource], usage.n_owners)
    yield from (used, total, owners)


def _n_threads() -> int:
    """Return the number of threads, on Linux including those of libraries."""
    if sys.platform != "linux":
        return threading.active_count()
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def serve_metrics(port: int, address: str = "127.0.0.1") -> StatusServer:
    """Serve ``/metrics`` and ``/health`` on a separate port, in a background thread.

    Raises:
        OSError: the port is in use.
    """
    return StatusServer(port, address)


REGISTRY.register(_LiveCollector())
