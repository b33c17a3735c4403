"""The app with a Streamlit that counts three runs for each, as seen on a busy machine.

A fake for the fault: on a busy machine the count jumps only by chance, if it is written after
it is read.
"""

from __future__ import annotations

import sys
from typing import Any

from streamlit.runtime.runtime import Runtime
from streamlit.web.cli import main

_send = Runtime._send_message


def _send_and_count(runtime: Runtime, session: Any, message: Any) -> None:
    before = session.script_run_count
    _send(runtime, session, message)
    session.script_run_count += 2 * (session.script_run_count - before)


Runtime._send_message = _send_and_count  # type: ignore[method-assign]
sys.argv[1:1] = ["run", "streamlit_app.py"]
main()
