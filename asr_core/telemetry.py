"""Reports that libraries would send to their makers: all turned off, before they are imported.

ONNX Runtime 1.32 looks up its maker's host ten seconds after a model was loaded, and keeps
a file with a device's number; ``disable_telemetry_events`` comes too late for that, and only
this variable stops it. ``tests/browser/test_offline.py`` sees what a newer version does.
"""

from __future__ import annotations

import os

__all__ = ["turn_off"]

_SWITCHES = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")


def turn_off() -> None:
    """Tell every library of this process and of those that it starts to send nothing."""
    for switch in _SWITCHES:
        os.environ[switch] = "1"
