"""The app's figures, for Prometheus and for the operator's page.

Nothing of what was said is in here: counts, seconds, names of error types.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from prometheus_client import REGISTRY, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from asr_core.budget import process_budget
from asr_core.errors import LimitError

if TYPE_CHECKING:
    from asr_core.live.scheduler import Scheduler
    from asr_core.status_server import StatusServer

__all__ = ["Figures", "count_error", "count_file", "count_take", "figures", "serve_metrics"]

_errors = Counter("asr_errors", "Failures, by where and by type", ["where", "kind"])
_audio = Counter("asr_file_audio_seconds", "Seconds of files that were transcribed")
_work = Counter("asr_file_work_seconds", "Seconds that this took")
_spoken = Counter("asr_take_audio_seconds", "Seconds of takes that have ended")
_gaps = Counter("asr_take_gap_seconds", "Of these, seconds that networks lost and silence fills")
_refused = Counter("asr_take_refused_seconds", "Seconds beside them, faster than time passes")


def count_error(where: str, error: BaseException) -> None:
    """Any thread may call."""
    _errors.labels(where, type(error).__name__).inc()


def count_file(audio_s: float, work_s: float) -> None:
    """Any thread may call; the quotient of the two sums is the real-time factor."""
    _audio.inc(audio_s)
    _work.inc(work_s)


def count_take(audio_s: float, gaps_s: float, refused_s: float) -> None:
    """Any thread may call; what a sender made up shows in the second and the third."""
    _spoken.inc(audio_s)
    _gaps.inc(gaps_s)
    _refused.inc(refused_s)


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


def _schedulers() -> list[Scheduler]:
    from asr_core.live.scheduler import schedulers  # which counts its errors here

    return schedulers()


def figures() -> Figures:
    """As of now. Any thread may call."""
    running = _schedulers()
    lags = [lag for scheduler in running for lag in scheduler.lags_s()] or [0.0]
    work_s = _total(_work)
    n_inside = sum(s.line.n_inside for s in running)
    n_free = max((s.capacity() - s.line.n_inside for s in running), default=0)
    return Figures(
        speaking=sum(s.n_sessions for s in running),
        waiting=sum(s.line.n_waiting for s in running),
        capacity=n_inside + max(0, n_free),  # the models share one machine
        lag_s=(float(np.quantile(lags, 0.5)), float(np.quantile(lags, 0.95))),
        times_real_time=_total(_audio) / work_s if work_s else None,
        errors=tuple(
            (sample.labels["where"], sample.labels["kind"], int(sample.value))
            for family in _errors.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        ),
    )


def _total(counter: Counter) -> float:
    samples = (sample for family in counter.collect() for sample in family.samples)
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


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
    from asr_core.status_server import StatusServer  # which tells these figures

    return StatusServer(port, address)


REGISTRY.register(_Live())
