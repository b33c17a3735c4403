"""Access to the running Streamlit server (1.67): event loop, sessions, uploads, sign-in, tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from streamlit.auth_util import encode_provider_token
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager
from streamlit.web.server.server_util import is_xsrf_enabled
from streamlit.web.server.starlette import starlette_app_utils, starlette_websocket
from streamlit.web.server.starlette.starlette_server_config import (
    USER_COOKIE_NAME,
    XSRF_COOKIE_NAME,
)

__all__ = [
    "current_session_id",
    "event_loop",
    "event_loop_fault",
    "is_active_session",
    "is_own_request",
    "is_running",
    "session_manager",
    "sign_in_query",
    "signed_user_cookie",
    "uploaded_files",
    "use_page_navigation",
]


def event_loop() -> asyncio.AbstractEventLoop:
    """Return the server's event loop. Any thread may call.

    streamlit-webrtc has the same function, but its component is served only if a page is the
    first to import it.
    """
    return Runtime.instance()._get_async_objs().eventloop


def event_loop_fault() -> str | None:
    """Return why the server no longer draws pages; None if it does. Any thread may call."""
    if Runtime.exists() and Runtime.instance()._get_async_objs().stopped.done():
        return "Streamlit's loop, which sends pages, has ended; start the app again."
    return None


def is_running() -> bool:
    """Return True once the server has started. Any thread may call."""
    return Runtime.exists()


def is_active_session(session_id: str) -> bool:
    """Return True if a page with this session is connected. Any thread may call."""
    return Runtime.exists() and Runtime.instance().is_active_session(session_id)


def current_session_id() -> str:
    """Return the session of the page that is being drawn."""
    context = get_script_run_ctx()
    assert context is not None, "call this while a page is drawn"
    return context.session_id


def uploaded_files() -> Any:
    """Return the manager of uploaded files. Any thread may call."""
    return Runtime.instance().uploaded_file_mgr


def session_manager() -> WebsocketSessionManager:
    """Return the manager that finds a session by its id. Any thread may call."""
    return cast(WebsocketSessionManager, Runtime.instance()._session_mgr)


def signed_user_cookie(cookies: dict[str, str]) -> bytes | None:
    """Return the claims that Streamlit signed when the user signed in; None for no valid cookie."""
    if USER_COOKIE_NAME not in cookies:
        return None
    return starlette_websocket._get_signed_cookie_with_chunks(cookies, USER_COOKIE_NAME)


def sign_in_query() -> str:
    """Return the query of the sign-in page's address, for the default provider."""
    return f"provider={encode_provider_token('default')}"


def is_own_request(headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
    """Return True if a request has the token that Streamlit gave this browser's page."""
    if not is_xsrf_enabled():
        return True
    given = headers.get("X-Xsrftoken"), cookies.get(XSRF_COOKIE_NAME)
    return bool(starlette_app_utils.validate_xsrf_token(*given))


def use_page_navigation() -> None:
    """Have the server run ``streamlit_app.py`` for every page.

    Until its first visitor it takes a file in ``pages/`` for an app of its own.
    """
    PagesManager.uses_pages_directory = False
