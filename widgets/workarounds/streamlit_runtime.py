"""Access to the running Streamlit server (1.67): its event loop, sessions and sign-in cookie."""

from __future__ import annotations

import asyncio
from typing import Any

from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.runtime import Runtime
from streamlit.web.server.starlette import starlette_websocket
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

__all__ = [
    "event_loop",
    "event_loop_fault",
    "session_manager",
    "signed_user_cookie",
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


def session_manager() -> Any:
    """Return the manager that finds a session by its id. Any thread may call."""
    return Runtime.instance()._session_mgr


def signed_user_cookie(cookies: dict[str, str]) -> bytes | None:
    """Return the claims that Streamlit signed when the user signed in; None for no valid cookie."""
    if USER_COOKIE_NAME not in cookies:
        return None
    return starlette_websocket._get_signed_cookie_with_chunks(cookies, USER_COOKIE_NAME)


def use_page_navigation() -> None:
    """Have the server run ``streamlit_app.py`` for every page.

    Until its first visitor it takes a file in ``pages/`` for an app of its own.
    """
    PagesManager.uses_pages_directory = False
