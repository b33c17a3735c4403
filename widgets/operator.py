"""For whoever runs the app: its figures on a port of their own, if one is set."""

from __future__ import annotations

import logging
import os

import streamlit as st

__all__ = ["watched_from_outside"]

logger = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def watched_from_outside() -> None:
    """Serve ``/metrics`` and ``/health`` on ``ASR_METRICS_PORT``, once a process."""
    port = os.environ.get("ASR_METRICS_PORT", "").strip()
    if not port:
        return
    from asr_core.metrics import serve_metrics

    address = os.environ.get("ASR_METRICS_ADDRESS", "127.0.0.1")
    try:
        serve_metrics(int(port), address)
    except (OSError, ValueError, OverflowError) as error:
        logger.error("No metrics: ASR_METRICS_PORT is %r (%s)", port, error)
