"""The app served for raw clients, and the resources of its process."""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.browser.conftest import free_port, served

__all__ = ["Held", "Server", "serving"]

_FETCH_EVERY_S = 3.0


@dataclass(frozen=True)
class Held:
    """Resources of a process: file descriptors, threads, and resident memory in MB."""

    descriptors: int
    threads: int
    memory_mb: float


@dataclass(frozen=True)
class Server:
    """The running app.

    Attributes:
        metrics: address of the port for ``/metrics`` and ``/health``.
    """

    address: str
    process: psutil.Process
    metrics: str
    log: Path | None = None

    def held(self) -> Held:
        """Return the resources it holds now."""
        process = self.process
        with process.oneshot():
            memory_mb = process.memory_info().rss / 1e6
            return Held(process.num_fds(), process.num_threads(), round(memory_mb, 1))

    def settled(self, before: Held, seconds: float) -> Held:
        """Wait at most ``seconds`` for descriptors and threads to return to ``before``.

        A file of the page is fetched every few seconds: AnyIO's pool ends a thread that has
        been idle for 10 s only when its next work arrives.

        Returns:
            The resources held then.
        """
        began = fetched = time.monotonic()
        while True:
            held, now = self.held(), time.monotonic()
            is_over = held.descriptors <= before.descriptors and held.threads <= before.threads
            if is_over or now > began + seconds:
                return held
            if now > fetched + _FETCH_EVERY_S:
                fetched = now
                urllib.request.urlopen(self.address, timeout=20).close()
            time.sleep(0.5)

    def figure(self, name: str) -> float:
        """Return a value of ``/metrics``, such as ``asr_live_lag_seconds{quantile="0.95"}``.

        NaN if it is absent.
        """
        with urllib.request.urlopen(f"{self.metrics}/metrics", timeout=20) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.rsplit(" ", 1)[1])
        return float("nan")


@contextmanager
def serving(
    folder: Path, environment: Mapping[str, str] | None = None, descriptors: int | None = None
) -> Iterator[Server]:
    """Serve the app as ``streamlit run`` does.

    Args:
        folder: for its test set; nothing is stored elsewhere.
        environment: further settings, such as ``ASR_KEEP_MINUTES``.
        descriptors: the most file descriptors that it may hold (``ulimit -n``).
    """
    port = free_port()
    settings = {
        "ASR_TESTBENCH_DIR": str(folder), "ASR_METRICS_PORT": str(port),
        "MALLOC_ARENA_MAX": "2", **(environment or {}),
    }  # fmt: skip
    limit = [f"--nofile={descriptors}:{descriptors}"] if descriptors else []
    inside = ["prlimit", *limit, "--"] if limit else []
    with ExitStack() as stack:
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)  # which the server inherits
        stack.callback(_restore, before)
        command = ("-m", "streamlit", "run", "streamlit_app.py")
        address, process = stack.enter_context(
            served(*command, inside=inside, host="127.0.0.1")
        )  # prlimit becomes the server, in the same process
        yield Server(address, process, f"http://127.0.0.1:{port}")


def _restore(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
