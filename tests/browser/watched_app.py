"""The unchanged app; on SIGUSR1 it writes the names of its threads into ``$THREADS_FILE``.

From outside a process shows how many threads it has, but not whose they are: Streamlit's
own pools grow and shrink as they like. A recording whose connection is lost is held open for
ten seconds instead of forty, so that nobody waits for it. A fake for a machine of a known speed:
there is room for four speakers, however slow the others make this one.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from streamlit.web.cli import main

from asr_core.streaming import Scheduler, recording_controller


def _write(*_: object) -> None:
    names = "\n".join(thread.name for thread in threading.enumerate())
    Path(os.environ["THREADS_FILE"]).write_text(f"{names}\n.\n")


recording_controller.HELD_OPEN_S = 10.0
Scheduler.capacity = lambda self: 4  # type: ignore[method-assign]
signal.signal(signal.SIGUSR1, _write)
sys.argv[1:1] = ["run", "streamlit_app.py"]
main()
