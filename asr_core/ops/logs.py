"""Structured logs, one JSON object per line, without transcripts or file names."""

from __future__ import annotations

import logging
from typing import TextIO

from pythonjsonlogger.json import JsonFormatter

__all__ = ["log_as_json"]


def log_as_json(stream: TextIO | None = None) -> None:
    """Send this package's logs, from ``INFO`` on, to ``stream`` (default: standard error)."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "where"},
        )
    )
    logger = logging.getLogger("asr_core")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO)
