"""Requests and developer messages of Streamlit that are disabled."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import asyncio
import socket
from unittest.mock import Mock

def refuse(*arguments):
    raise AssertionError("the network was used")

socket.socket.connect = socket.getaddrinfo = refuse

from streamlit import net_util
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.caching import cache_data
from streamlit.web.server.server_util import is_url_from_allowed_origins
from widgets.workarounds.streamlit_hardening import harden_streamlit

harden_streamlit()
harden_streamlit()
assert not is_url_from_allowed_origins("https://foreign.example")
assert is_url_from_allowed_origins("http://localhost:8501")
assert net_util.get_external_ip() is None and net_util.get_internal_ip() is None

cleared = []
cache_data.clear = lambda: cleared.append(1)
session = Mock(_state=None)
AppSession._handle_clear_cache_request(session)
AppSession._handle_git_information_request(session)
AppSession._handle_set_run_on_save_request(session, True)
assert not cleared and not session.method_calls, session.method_calls

from streamlit.proto.BackMsg_pb2 import BackendOperationRequest
from streamlit.runtime import backend_operation_handler as operations
written = []
install = operations.InstallSkillsHandler(lambda: written.append(1))
for handler in (install, operations.DismissSkillsNudgeHandler()):
    answer = asyncio.run(handler.handle(BackendOperationRequest(request_id="1"), "session"))
    assert answer.error_msg == "Not available here." and not written
print("done")
"""


def test_disabled_requests_and_messages_do_nothing() -> None:
    """Runs in a process of its own, since it changes Streamlit for good."""
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "done", ran.stderr
