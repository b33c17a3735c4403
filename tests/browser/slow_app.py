"""The app as it is, but with an engine that is slower than speech.

A fake for the fault: nobody knows how fast the machine is that runs the tests.
"""

from __future__ import annotations

import sys
from typing import Any

from streamlit.web.cli import main

from asr_core.engines import load
from asr_core.engines.base import Engine
from tests.live.engines import Slow

FACTOR = 0.7

_real_load = load._load


def slow_load(*arguments: Any) -> Engine:
    return Slow(_real_load(*arguments), FACTOR)  # type: ignore[return-value]


load._load = slow_load
sys.argv[1:1] = ["run", "streamlit_app.py"]
main()
