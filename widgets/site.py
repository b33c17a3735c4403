"""Server around the pages: the gate, workspaces, uploads, start and end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import mimetypes
import re
import sys
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import streamlit as st
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from asr_core.errors import LimitError, SettingsError
from asr_core.full_context.stored_files import StoredFile, stored_files
from asr_core.ops.budget import process_budget
from asr_core.server.gate import MAX_MESSAGE_BYTES, VISITOR_HEADER, Gate
from asr_core.server.health import add_page_check, health, page_fault
from asr_core.server.hosts import AllowedHosts
from asr_core.server.workspaces import RECONNECT_GRACE_S, Workspaces, retention_s
from asr_core.text.plain_text import shorten
from asr_core.workarounds.uvicorn_limits import close_idle_connections, limit_message_size
from widgets.secrets import app_settings, secret_table
from widgets.unsaved import has_unsaved
from widgets.workarounds.streamlit_hardening import harden_streamlit
from widgets.workarounds.streamlit_reruns import install_rerun_fixes
from widgets.workarounds.streamlit_runtime import (
    event_loop,
    event_loop_fault,
    is_active_session,
    is_own_request,
    is_running,
    session_manager,
    sign_in_query,
    signed_user_cookie,
    uploaded_files,
)
from widgets.workarounds.streamlit_storage import (
    UploadedFiles,
    disconnected_sessions,
    install_storage,
)

__all__ = ["app_options", "is_gated", "workspaces"]

logger = logging.getLogger(__name__)

_SWEEP_EVERY_S = 5.0
_PART_TIMEOUT_S = 60.0  # for the next part of an upload
_MIN_BYTES_PER_S = 50_000  # a slower upload would hold its space for too long
_MIN_FILE_BYTES = 65_536  # counted for a smaller file: many small ones take space too
_MAX_LENGTH_DIGITS, _MAX_ID, _MAX_NAME, _MAX_TYPE = 12, 64, 200, 100
_MULTIPART_BYTES = 8192  # of the form around the file
_MEDIA = ("audio/", "video/")
# Connections without a page, in all and per address; a browser opens six.
_MAX_PAGELESS_CONNECTIONS, _MAX_PAGELESS_EACH = 500, 200

_gated = threading.Event()


def is_gated() -> bool:
    """Return True if the gate guards this server; False where Streamlit runs the bare script."""
    return _gated.is_set()


def app_options() -> dict[str, Any]:
    """Return the arguments of ``st.App``, after installing the workarounds and limits."""
    try:
        app_settings()
    except SettingsError as error:
        sys.exit(str(error))
    install_storage()
    install_rerun_fixes()
    harden_streamlit()
    close_idle_connections(_MAX_PAGELESS_CONNECTIONS, _MAX_PAGELESS_EACH)
    limit_message_size(MAX_MESSAGE_BYTES)
    _gated.set()
    return {
        "middleware": [Middleware(_LateGate)],
        "routes": [Route("/files/{workspace}/{key}", _serve_file)],
        "lifespan": _lifespan,
    }


_lock = threading.Lock()
_instance: list[Workspaces] = []  # at most one


def workspaces() -> Workspaces:
    """Return the process's workspaces, which a thread sweeps. Any thread may call."""
    with _lock:
        if not _instance:
            _instance.append(Workspaces(_is_open, has_unsaved, retention_s=retention_s()))
            threading.Thread(
                target=_sweep_forever, args=[_instance[0]], name="asr-keeper", daemon=True
            ).start()
        return _instance[0]


def _is_open(session_id: str) -> bool:
    return is_active_session(session_id)


def _sweep_forever(spaces: Workspaces) -> None:
    while True:
        time.sleep(_SWEEP_EVERY_S)
        try:
            spaces.sweep()
            _close_expired_sessions(spaces)
        except Exception:  # the next round goes on
            logger.exception("The sweep of expired workspaces failed")


def _close_expired_sessions(spaces: Workspaces) -> None:
    if not is_running():
        return
    sessions = disconnected_sessions()
    if sessions is None:
        return
    timeout_s = min(RECONNECT_GRACE_S, retention_s())
    event_loop().call_soon_threadsafe(sessions.close_expired, spaces.has_content, timeout_s)
    if isinstance(files := uploaded_files(), UploadedFiles):
        manager = session_manager()
        files.keep_only(lambda session_id: manager.get_session_info(session_id) is not None)


@contextlib.asynccontextmanager
async def _lifespan(app: st.App) -> AsyncIterator[None]:
    from widgets.lifecycle import install_graceful_shutdown, start_monitoring

    start_monitoring()
    add_page_check(event_loop_fault)
    install_graceful_shutdown()
    workspaces()
    await run_in_threadpool(stored_files)
    yield
    await run_in_threadpool(workspaces().close)


class _LateGate:
    """Gate that is created at the first request, once Streamlit has read the secrets."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._gate: Gate | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if self._gate is None:
            self._gate = _gate_before(self._app)
        await self._gate(scope, receive, send)


def _gate_before(app: Any) -> Gate:
    given = app_settings()
    return Gate(
        app,
        site=_StreamlitSite(),
        budget=process_budget(),
        hosts=AllowedHosts(given.allowed_hosts or ()),
        invitation=given.invite or "",
        is_open=not given.invite and not secret_table("auth"),
        base=_base(),
    )


def _base() -> str:
    """Return the path prefix of the app, normalised from any spelling that Streamlit accepts."""
    from streamlit import config

    path = config.get_option("server.baseUrlPath").strip("/")
    return f"/{path}" if path else ""


class _StreamlitSite:
    """Implementation of ``asr_core.server.gate.Site`` on Streamlit."""

    def user(self, cookies: dict[str, str]) -> str | None:
        if not secret_table("auth"):
            return None
        try:
            claims = json.loads(signed_user_cookie(cookies) or b"")
            if claims.get("is_logged_in") is not True:
                return None
            return "\0".join(str(claims.get(name, "")) for name in ("iss", "sub", "email"))
        except (ValueError, AttributeError):
            return None

    def sign_in_path(self) -> str | None:
        if not secret_table("auth"):
            return None
        return f"{_base()}/auth/login?{sign_in_query()}"

    def owner_of(self, session_id: str) -> str | None:
        return workspaces().owner_of(session_id)

    def page_fault(self) -> str | None:
        return page_fault()

    def health(self) -> str | None:
        return health()

    async def upload(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        file: tuple[str, str],
        whose: tuple[str, str],
    ) -> None:
        request = Request(scope, _with_timeout(receive))
        files = uploaded_files()
        try:
            if not is_own_request(request.headers, request.cookies):
                answer: Response = PlainTextResponse("Reload the page.", 403)
            elif request.method == "DELETE":
                files.remove_file(*file)
                answer = Response(status_code=204)
            else:
                answer = await _receive_upload(request, files, file, whose)
        except (ClientDisconnect, HTTPException, MultiPartException, TimeoutError, ValueError):
            answer = PlainTextResponse("The file arrived incomplete. Send it again.", 400)
        except LimitError as error:
            answer = PlainTextResponse(str(error), 413)
        await answer(scope, receive, send)


async def _receive_upload(
    request: Request, files: UploadedFiles, file: tuple[str, str], whose: tuple[str, str]
) -> Response:
    """Write an upload to disk part by part, with space reserved before the first byte."""
    from streamlit import config

    announced = request.headers.get("content-length", "")
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return PlainTextResponse("Send the file as a form.", 415)
    if "transfer-encoding" in request.headers:
        announced = ""  # ambiguous beside a length
    if not announced.isdecimal() or len(announced) > _MAX_LENGTH_DIGITS or len(file[1]) > _MAX_ID:
        return PlainTextResponse("Send the file's length with it.", 411)
    max_mb = config.get_option("server.maxUploadSize")
    if int(announced) > max_mb * 1_048_576 + _MULTIPART_BYTES:
        raise LimitError(f"This file is larger than {max_mb} MB, the limit of this server.")
    with contextlib.ExitStack() as undo:
        n_bytes = max(int(announced), _MIN_FILE_BYTES)
        hold = undo.enter_context(stored_files().reserve(n_bytes, *whose))
        limit_s = _PART_TIMEOUT_S + int(announced) / _MIN_BYTES_PER_S
        # The form's parser also writes it to disk until it is copied.
        with stored_files().reserve(n_bytes, *whose):
            async with asyncio.timeout(limit_s), request.form(max_files=1, max_fields=1) as form:
                sent = [part for part in form.values() if not isinstance(part, str)]
                if len(sent) != 1:
                    return PlainTextResponse("Send one file at a time.", 400)
                name = _file_name(sent[0].filename or "")
                kept = await run_in_threadpool(stored_files().keep, name, sent[0].file, hold)
        undo.pop_all()  # from now on the file holds the space
    files.keep(*file, shorten(sent[0].content_type or "", _MAX_TYPE), kept)
    if workspaces().owner_of(file[0]) != whose[0]:  # the page was closed meanwhile
        files.remove_file(*file)
        return PlainTextResponse("This page is gone; reload it.", 403)
    return Response(status_code=204)


def _file_name(sent: str) -> str:
    """Return the last part of a path, safe for pages and logs."""
    return shorten(re.split(r"[/\\]", sent)[-1], _MAX_NAME) or "file"


def _with_timeout(receive: Receive) -> Receive:
    """Return ``receive`` with a timeout for each part of the body."""

    async def next_part() -> Message:
        return await asyncio.wait_for(receive(), _PART_TIMEOUT_S)

    return next_part


async def _serve_file(request: Request) -> Response:
    """Return a file of the visitor's own workspace, for the player on their page."""
    visitor = request.headers.get(VISITOR_HEADER.decode(), "")
    found = workspaces().find(request.path_params["workspace"], visitor)
    jobs = found.files.jobs if found is not None else []
    job = next((job for job in jobs if job.key == request.path_params["key"]), None)
    if job is None:
        return PlainTextResponse("This file is no longer here.", 404)
    file, kind = job.playback_copy or job.file, mimetypes.guess_type(job.name)[0] or ""
    if job.playback_copy:
        kind = "audio/flac"
    elif not kind.startswith(_MEDIA):
        kind = "audio/wav"
    keep_alive = BackgroundTask(_ignore, file)  # a file without references is deleted
    headers = {"Cache-Control": "private"}
    return FileResponse(file.path, media_type=kind, headers=headers, background=keep_alive)


def _ignore(file: StoredFile) -> None:
    """Do nothing but hold ``file`` until the response is sent."""
