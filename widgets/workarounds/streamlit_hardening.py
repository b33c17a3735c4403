"""Streamlit features (1.67) that call out or obey any visitor, disabled when the server starts.

Streamlit has no setting for any of them. If a newer version renames one, ``harden_streamlit``
logs a warning and ``tests/browser/test_offline.py`` fails.
"""

from __future__ import annotations

import logging
from typing import Any

from streamlit import net_util
from streamlit.proto.BackMsg_pb2 import BackendOperationRequest
from streamlit.proto.ForwardMsg_pb2 import BackendOperationResponse
from streamlit.runtime import backend_operation_handler
from streamlit.runtime.app_session import AppSession

__all__ = ["harden_streamlit"]

logger = logging.getLogger(__name__)


def harden_streamlit() -> None:
    """Disable address look-ups and developer messages. A second call does nothing.

    Must be called before the first connection.

    - ``get_external_ip`` asks a public service, and blocks the event loop meanwhile, whenever a
      page of another origin connects; ``get_internal_ip`` opens a socket to a public name server.
    - Any visitor may send ``clear_cache``, which empties the caches of all sessions,
      ``load_git_info``, which reads the repository, and ``set_run_on_save``.
    - Two operations write files for a developer's tools. Streamlit allows them to connections
      from the same machine, which behind a proxy is everybody.
    - Every new session tells the visitor the script's path on the server.
    """
    for name in ("get_external_ip", "get_internal_ip"):
        _replace(net_util, name, _no_address)
    for name in (
        "_handle_clear_cache_request",
        "_handle_git_information_request",
        "_handle_set_run_on_save_request",
    ):
        _replace(AppSession, name, _ignore)
    _replace(AppSession, "_create_new_session_message", _create_message_without_path)
    for kind in ("InstallSkillsHandler", "DismissSkillsNudgeHandler"):
        _replace(getattr(backend_operation_handler, kind, None), "handle", _refuse)


def _replace(owner: Any, name: str, replacement: Any) -> None:
    if not hasattr(owner, name):
        logger.warning("Streamlit no longer has %s; see %s", name, __name__)
        return
    setattr(owner, name, replacement)


_original_create_message = AppSession._create_new_session_message


def _create_message_without_path(session: AppSession, *args: Any, **kwargs: Any) -> Any:
    """Return the message that opens a session, without the script's path on the server."""
    message = _original_create_message(session, *args, **kwargs)
    message.new_session.main_script_path = "streamlit_app.py"
    return message


def _no_address() -> None:
    """Return no address, so that only the origins in the settings are accepted."""


def _ignore(session: AppSession, *request: Any) -> None:
    """Ignore a message that only a developer's page sends."""


async def _refuse(
    handler: Any, request: BackendOperationRequest, session_id: str
) -> BackendOperationResponse:
    """Refuse an operation that would write files."""
    return BackendOperationResponse(request_id=request.request_id, error_msg="Not available here.")
