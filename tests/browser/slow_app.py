"""The app with an engine slower than speech.

A fake for the fault: the speed of the machine that runs the tests is unknown.
"""

from __future__ import annotations

import sys
from typing import Any

from streamlit.web.cli import main

from asr_core.engines import loading as load
from asr_core.engines.base import Engine
from tests.support.engines import SlowEngine

FACTOR = 0.7

_real_load = load._load


def slow_load(*arguments: Any) -> Engine:
    return SlowEngine(_real_load(*arguments), FACTOR)  # type: ignore[return-value]


load._load = slow_load
sys.argv[1:1] = ["run", "streamlit_app.py"]
main()
