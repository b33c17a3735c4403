"""Switches that stop libraries from sending telemetry, to be set before they are imported.

ONNX Runtime 1.32 looks up its maker's host ten seconds after a model was loaded and stores a
device id; ``disable_telemetry_events`` comes too late for that, only the variable stops it.
``tests/browser/test_offline.py`` checks newer versions.
"""

from __future__ import annotations

import os

__all__ = ["disable_telemetry"]

_SWITCHES = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")


def disable_telemetry() -> None:
    """Disable the telemetry of libraries in this process and its children."""
    for switch in _SWITCHES:
        os.environ[switch] = "1"
