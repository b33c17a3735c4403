"""For whoever runs the app: figures on a port of their own, an end without losses."""

from __future__ import annotations

import functools
import logging
import os
import signal
import threading
import time
from types import FrameType

import streamlit as st

from asr_core.live import end_all, is_closing
from widgets.streamlit_parts import server_loop

__all__ = ["closing_note", "end_without_losses", "start_monitoring"]

logger = logging.getLogger(__name__)

_LAST_WORDS_S = 30.0
_TO_SAVE_S = 30.0
"""After SIGTERM: for the last words of those who speak, and for them to save their text."""


@functools.cache
def end_without_losses() -> None:
    """On SIGTERM let those who speak finish and save, then end; once a process."""
    # Only the main thread may do so, in which the server's loop runs.
    server_loop().call_soon_threadsafe(_listen_for_sigterm)


def _listen_for_sigterm() -> None:
    stop = signal.getsignal(signal.SIGTERM)
    loop = server_loop()

    def stop_now() -> None:
        if callable(stop):
            stop(signal.SIGTERM, None)

    def drain() -> None:
        if end_all(_LAST_WORDS_S):
            time.sleep(_TO_SAVE_S)
        loop.call_soon_threadsafe(stop_now)

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        if is_closing():
            loop.call_soon_threadsafe(stop_now)  # asked twice: at once
        else:
            threading.Thread(target=drain, name="asr-drain", daemon=True).start()

    signal.signal(signal.SIGTERM, on_sigterm)


def closing_note() -> None:
    """Tell who is here that the server ends."""
    if is_closing():
        st.warning(
            f"The server is about to restart, in {_TO_SAVE_S:.0f} seconds at most: save your "
            "words now. Your take was ended with all that you had said.",
            icon=":material/power_settings_new:",
        )


@functools.cache
def start_monitoring() -> None:
    """Log as JSON if ``ASR_LOG`` is ``json``; serve ``/metrics`` and ``/health`` on
    ``ASR_METRICS_PORT``; once a process."""
    if os.environ.get("ASR_LOG", "").strip().lower() == "json":
        from asr_core.logs import log_as_json

        log_as_json()
    port = os.environ.get("ASR_METRICS_PORT", "").strip()
    if not port:
        return
    from asr_core.metrics import serve_metrics

    address = os.environ.get("ASR_METRICS_ADDRESS", "127.0.0.1")
    try:
        serve_metrics(int(port), address)
    except (OSError, ValueError, OverflowError) as error:
        logger.error("No metrics: ASR_METRICS_PORT is %r (%s)", port, error)
