"""The app seen from outside: figures for Prometheus, and whether it is well.

Off unless a port is given. Nothing of what was said is in here: counts, seconds, names
of error types.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import numpy as np
from prometheus_client import REGISTRY, Counter, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["count_error", "count_file", "serve_metrics"]

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


class _Live(Collector):
    """Read from the schedulers when somebody asks."""

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        from asr_core.live.scheduler import schedulers  # which counts its errors here

        running = list(schedulers())
        for name, text, value in (
            ("sessions", "Live sessions", sum(s.n_sessions for s in running)),
            ("waiting", "Users who wait for a place", sum(s.line.n_waiting for s in running)),
            ("capacity", "Speakers served in time", sum(s.capacity() for s in running)),
        ):
            yield GaugeMetricFamily(f"asr_live_{name}", text, value=value)
        lags = [lag for scheduler in running for lag in scheduler.lags_s()] or [0.0]
        family = GaugeMetricFamily(
            "asr_live_lag_seconds", "How far words are behind the voice", labels=["quantile"]
        )
        for quantile in (0.5, 0.95):
            family.add_metric([str(quantile)], float(np.quantile(lags, quantile)))
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
            start_response("200 OK", [("Content-Type", "text/plain")])  # type: ignore[operator]
            return iter([b"ok\n"])
        return iter(metrics(environ, start_response))

    server = make_server(address, port, app, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="asr-metrics", daemon=True).start()
    return server


REGISTRY.register(_Live())
