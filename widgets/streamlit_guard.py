"""Parts of Streamlit that send something out, or obey any stranger: taken out at the start.

Written for Streamlit 1.67, which has no setting for any of these. Where a newer version
calls a part otherwise, ``stay_offline`` says so in the log and ``tests/browser/test_offline.py``
fails.
"""

from __future__ import annotations

import logging
from typing import Any

from streamlit import net_util
from streamlit.proto.BackMsg_pb2 import BackendOperationRequest
from streamlit.proto.ForwardMsg_pb2 import BackendOperationResponse
from streamlit.runtime import backend_operation_handler
from streamlit.runtime.app_session import AppSession

__all__ = ["stay_offline"]

logger = logging.getLogger(__name__)


def stay_offline() -> None:
    """Have Streamlit ask nobody for its address, and obey no stranger. A second call does nothing.

    To be called before the first connection. ``get_external_ip`` asks a public service, and
    the whole loop waits for its answer, whenever a page of another origin connects;
    ``get_internal_ip`` opens a socket towards a public name server. From the wire anybody may
    send ``clear_cache``, which empties the caches of everybody, ``load_git_info``, which reads
    the repository, ``set_run_on_save``, and two operations that write files for a developer's
    tools (only to those who connect from this machine, which through a proxy is everybody).
    Each new session tells every visitor the path of the script on the server.
    """
    for name in ("get_external_ip", "get_internal_ip"):
        _replace(net_util, name, _nowhere)
    for name in (
        "_handle_clear_cache_request",
        "_handle_git_information_request",
        "_handle_set_run_on_save_request",
    ):
        _replace(AppSession, name, _ignored)
    _replace(AppSession, "_create_new_session_message", _without_path)
    for kind in ("InstallSkillsHandler", "DismissSkillsNudgeHandler"):
        _replace(getattr(backend_operation_handler, kind, None), "handle", _refused)


def _replace(owner: Any, name: str, by: Any) -> None:
    if not hasattr(owner, name):
        logger.warning("Streamlit has no %s any more; see widgets/streamlit_guard.py", name)
        return
    setattr(owner, name, by)


_new_session = AppSession._create_new_session_message


def _without_path(session: AppSession, *request: Any, **named: Any) -> Any:
    """Begin a session without telling the visitor where on the server the script lies."""
    message = _new_session(session, *request, **named)
    message.new_session.main_script_path = "streamlit_app.py"
    return message


def _nowhere() -> None:
    """An address that nobody knows: other origins are those in the settings only."""


def _ignored(session: AppSession, *request: Any) -> None:
    """Do nothing with a message that only a developer's page sends."""


async def _refused(
    handler: Any, request: BackendOperationRequest, session_id: str
) -> BackendOperationResponse:
    """Answer an operation that would write files."""
    return BackendOperationResponse(request_id=request.request_id, error_msg="Not available here.")
