"""Start of monitoring and graceful shutdown of the server."""

from __future__ import annotations

import functools
import logging
import signal
import threading
import time
from types import FrameType

import streamlit as st

from asr_core.settings import read_settings
from asr_core.streaming import end_all, is_closing
from widgets.workarounds.streamlit_runtime import event_loop

__all__ = ["install_graceful_shutdown", "shutdown_notice", "start_monitoring"]

logger = logging.getLogger(__name__)

# Time after SIGTERM for the last words of running recordings, then for saving them.
_LAST_WORDS_S = 30.0
_SAVE_S = 30.0


@functools.cache
def install_graceful_shutdown() -> None:
    """Have SIGTERM let speakers finish and save before the server stops. Later calls do nothing."""
    # Only the main thread, which runs the server's loop, may set a signal handler.
    event_loop().call_soon_threadsafe(_handle_sigterm)


def _handle_sigterm() -> None:
    stop = signal.getsignal(signal.SIGTERM)
    loop = event_loop()

    def stop_now() -> None:
        if callable(stop):
            stop(signal.SIGTERM, None)

    def drain() -> None:
        if end_all(_LAST_WORDS_S):
            time.sleep(_SAVE_S)
        loop.call_soon_threadsafe(stop_now)

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        if is_closing():
            loop.call_soon_threadsafe(stop_now)  # a second SIGTERM stops at once
        else:
            threading.Thread(target=drain, name="asr-drain", daemon=True).start()

    signal.signal(signal.SIGTERM, on_sigterm)


def shutdown_notice() -> None:
    """Draw a notice while the server shuts down."""
    if is_closing():
        st.warning(
            f"The server is about to restart, within {_SAVE_S:.0f} seconds. Save your words now. Your "
            "recording was ended with everything you had said.",
            icon=":material/power_settings_new:",
        )


@functools.cache
def start_monitoring() -> None:
    """Start JSON logs and the metrics server, if configured. Later calls do nothing.

    ``ASR_LOG=json`` selects JSON logs; ``/metrics`` and ``/health`` are on ``ASR_METRICS_PORT``.
    """
    chosen = read_settings()
    if chosen.log == "json":
        from asr_core.ops.logs import log_as_json

        log_as_json()
    if chosen.metrics_port is None:
        return
    from asr_core.server.status import serve_metrics

    try:
        serve_metrics(chosen.metrics_port, chosen.metrics_address)
    except (OSError, OverflowError) as error:
        logger.error("No metrics: ASR_METRICS_PORT is %d (%s)", chosen.metrics_port, error)
