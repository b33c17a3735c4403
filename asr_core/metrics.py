"""The app seen from outside: figures for Prometheus, and whether it is well.

Off unless a port is given. Nothing of what was said is in here: counts, seconds, names
of error types.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import numpy as np
from prometheus_client import REGISTRY, Counter, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from asr_core.live.scheduler import Scheduler

__all__ = ["Figures", "count_error", "count_file", "figures", "serve_metrics"]

_HANGS_S = 60.0
_WELL = ("200 OK", b"ok\n")

_errors = Counter("asr_errors", "Failures, by where and by type", ["where", "kind"])
_audio = Counter("asr_file_audio_seconds", "Seconds of files that were transcribed")
_work = Counter("asr_file_work_seconds", "Seconds that this took")


def count_error(where: str, error: BaseException) -> None:
    """Any thread may call."""
    _errors.labels(where, type(error).__name__).inc()


def count_file(audio_s: float, work_s: float) -> None:
    """Any thread may call; the quotient of the two sums is the real-time factor."""
    _audio.inc(audio_s)
    _work.inc(work_s)


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


def _hangs() -> bool:
    """Somebody has been waiting for the model for longer than any window takes."""
    return any(scheduler.longest_wait_s() > _HANGS_S for scheduler in _schedulers())


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


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """One request every few seconds is no news."""


def serve_metrics(port: int, address: str = "127.0.0.1") -> WSGIServer:
    """``/metrics`` and ``/health`` on a port of their own, from a thread of their own.

    Returns:
        The server; ``shutdown`` ends it.

    Raises:
        OSError: the port is taken.
    """
    metrics = make_wsgi_app(REGISTRY)

    def app(environ: dict[str, object], start_response: object) -> Iterator[bytes]:
        if environ["PATH_INFO"] == "/health":
            status, text = ("503 Service Unavailable", b"the model hangs\n") if _hangs() else _WELL
            start_response(status, [("Content-Type", "text/plain")])  # type: ignore[operator]
            return iter([text])
        return iter(metrics(environ, start_response))

    server = make_server(address, port, app, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="asr-metrics", daemon=True).start()
    return server


REGISTRY.register(_Live())
