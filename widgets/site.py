"""The server around the pages: the gate, what outlives a page, how it starts and ends."""

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
from streamlit.auth_util import encode_provider_token
from streamlit.runtime.runtime import Runtime
from streamlit.web.server.server_util import is_xsrf_enabled
from streamlit.web.server.starlette import starlette_app_utils, starlette_websocket
from streamlit.web.server.starlette.starlette_server_config import (
    USER_COOKIE_NAME,
    XSRF_COOKIE_NAME,
)

from asr_core.budget import process_budget
from asr_core.errors import LimitError
from asr_core.health import add_page_check, health, page_fault
from asr_core.plain_text import shortened
from asr_core.server.gate import MAX_MESSAGE_BYTES, VISITOR_HEADER, Gate
from asr_core.server.hosts import AllowedHosts
from asr_core.server.uvicorn_limits import bound_messages, end_idle_connections
from asr_core.stored_files import StoredFile, stored_files
from asr_core.workspaces import COMES_BACK_S, Workspaces, kept_s
from widgets.between_runs import keep_between_runs
from widgets.secrets import setting
from widgets.streamlit_guard import stay_offline
from widgets.streamlit_parts import (
    LeftSessions,
    UploadedFiles,
    pages_fault,
    put_in_place,
    server_loop,
)
from widgets.unsaved import has_unsaved

__all__ = ["app_options", "is_gated", "workspaces"]

logger = logging.getLogger(__name__)

_SWEEP_EVERY_S = 5.0
_PART_WITHIN_S = 60.0  # the next part of an upload, else it has broken off
_SLOWEST_BYTES_PER_S = 50_000  # an upload that is slower holds its room for too long
_LEAST_BYTES = 65_536  # that a file counts for: many small ones take room, too
_LENGTH_DIGITS, _ID_LENGTH, _NAME_LENGTH, _KIND_LENGTH = 12, 64, 200, 100
_MULTIPART_BYTES = 8192  # around the file
_MEDIA = ("audio/", "video/")
_MOST_CONNECTIONS, _MOST_CONNECTIONS_EACH = 500, 200  # that are no page's; a browser has six

_gated = threading.Event()


def is_gated() -> bool:
    """Whether the gate stands before this server; False where Streamlit runs the script
    itself, without the app around it."""
    return _gated.is_set()


def app_options() -> dict[str, Any]:
    """Return what ``st.App`` takes, and have Streamlit's own parts replaced."""
    try:
        process_budget()
    except LimitError as error:
        sys.exit(str(error))
    put_in_place()
    keep_between_runs()
    stay_offline()
    end_idle_connections(_MOST_CONNECTIONS, _MOST_CONNECTIONS_EACH)
    bound_messages(MAX_MESSAGE_BYTES)
    _gated.set()
    return {
        "middleware": [Middleware(_LateGate)],
        "routes": [Route("/files/{workspace}/{key}", _file)],
        "lifespan": _lifespan,
    }


_making = threading.Lock()
_made: list[Workspaces] = []  # one at most


def workspaces() -> Workspaces:
    """Return those of this process; a thread looks after them. Any thread may call."""
    with _making:
        if not _made:
            _made.append(Workspaces(_is_open, has_unsaved, kept_s=kept_s()))
            threading.Thread(
                target=_look_after, args=[_made[0]], name="asr-keeper", daemon=True
            ).start()
        return _made[0]


def _is_open(session_id: str) -> bool:
    return Runtime.exists() and Runtime.instance().is_active_session(session_id)


def _look_after(kept: Workspaces) -> None:
    while True:
        time.sleep(_SWEEP_EVERY_S)
        try:
            kept.sweep()
            _end_left_sessions(kept)
        except Exception:  # the next round goes on
            logger.exception("What pages had left could not be looked through")


def _end_left_sessions(kept: Workspaces) -> None:
    if not Runtime.exists():
        return
    manager: Any = Runtime.instance()._session_mgr
    if not isinstance(manager._session_storage, LeftSessions):
        return
    storage = manager._session_storage
    server_loop().call_soon_threadsafe(storage.end_old, kept.holds, min(COMES_BACK_S, kept_s()))
    if isinstance(files := Runtime.instance().uploaded_file_mgr, UploadedFiles):
        files.keep_only(lambda session_id: manager.get_session_info(session_id) is not None)


@contextlib.asynccontextmanager
async def _lifespan(app: st.App) -> AsyncIterator[None]:
    from widgets.operator import end_without_losses, start_monitoring

    start_monitoring()
    add_page_check(pages_fault)
    end_without_losses()
    workspaces()
    await run_in_threadpool(stored_files)
    yield
    await run_in_threadpool(workspaces().close)


class _LateGate:
    """The gate, made at the first request: settings may stand in secrets, which Streamlit
    reads when it starts."""

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
    invitation = str(setting("ASR_INVITE") or "")
    names = str(setting("ASR_ALLOWED_HOSTS") or "").split(",")
    return Gate(
        app,
        site=_Site(),
        budget=process_budget(),
        hosts=AllowedHosts(names),
        invitation=invitation,
        is_open=not invitation and not setting("auth"),
        base=_base(),
    )


def _base() -> str:
    """Return the path below which the app is served; Streamlit takes it in any spelling."""
    from streamlit import config

    path = config.get_option("server.baseUrlPath").strip("/")
    return f"/{path}" if path else ""


class _Site:
    """What the gate asks of Streamlit; see ``asr_core.server.gate.Site``."""

    def user(self, cookies: dict[str, str]) -> str | None:
        if not setting("auth") or USER_COOKIE_NAME not in cookies:
            return None
        signed = starlette_websocket._get_signed_cookie_with_chunks(cookies, USER_COOKIE_NAME)
        try:
            claims = json.loads(signed or b"")
            if claims.get("is_logged_in") is not True:
                return None
            return "\0".join(str(claims.get(name, "")) for name in ("iss", "sub", "email"))
        except (ValueError, AttributeError):
            return None

    def sign_in_path(self) -> str | None:
        if not setting("auth"):
            return None
        return f"{_base()}/auth/login?provider={encode_provider_token('default')}"

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
        request = Request(scope, _unhurried(receive))
        files: Any = Runtime.instance().uploaded_file_mgr
        try:
            if not _comes_from_our_page(request):
                answer: Response = PlainTextResponse("Reload the page.", 403)
            elif request.method == "DELETE":
                files.remove_file(*file)
                answer = Response(status_code=204)
            else:
                answer = await _take_in(request, files, file, whose)
        except (ClientDisconnect, HTTPException, MultiPartException, TimeoutError, ValueError):
            answer = PlainTextResponse("The file did not arrive complete; send it again.", 400)
        except LimitError as error:
            answer = PlainTextResponse(str(error), 413)
        await answer(scope, receive, send)


def _comes_from_our_page(request: Request) -> bool:
    if not is_xsrf_enabled():
        return True
    given = request.headers.get("X-Xsrftoken"), request.cookies.get(XSRF_COOKIE_NAME)
    return bool(starlette_app_utils.validate_xsrf_token(*given))


async def _take_in(
    request: Request, files: UploadedFiles, file: tuple[str, str], whose: tuple[str, str]
) -> Response:
    """Onto the disk, part by part; room for all of it is held before the first byte."""
    from streamlit import config

    announced = request.headers.get("content-length", "")
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return PlainTextResponse("Send the file as a form.", 415)
    if "transfer-encoding" in request.headers:
        announced = ""  # which of the two is meant is anybody's guess
    if not announced.isdecimal() or len(announced) > _LENGTH_DIGITS or len(file[1]) > _ID_LENGTH:
        return PlainTextResponse("Send the file's length with it.", 411)
    most_mb = config.get_option("server.maxUploadSize")
    if int(announced) > most_mb * 1_048_576 + _MULTIPART_BYTES:
        raise LimitError(f"This file is larger than {most_mb} MB, which is the most here.")
    with contextlib.ExitStack() as undo:
        n_bytes = max(int(announced), _LEAST_BYTES)
        hold = undo.enter_context(stored_files().reserve(n_bytes, *whose))
        limit_s = _PART_WITHIN_S + int(announced) / _SLOWEST_BYTES_PER_S
        # The form's parser puts it on the disk, too, until it is copied.
        with stored_files().reserve(n_bytes, *whose):
            async with asyncio.timeout(limit_s), request.form(max_files=1, max_fields=1) as form:
                sent = [part for part in form.values() if not isinstance(part, str)]
                if len(sent) != 1:
                    return PlainTextResponse("Send one file at a time.", 400)
                name = _file_name(sent[0].filename or "")
                kept = await run_in_threadpool(stored_files().keep, name, sent[0].file, hold)
        undo.pop_all()  # the room is the file's from now on
    files.keep(*file, shortened(sent[0].content_type or "", _KIND_LENGTH), kept)
    if workspaces().owner_of(file[0]) != whose[0]:  # the page has gone meanwhile
        files.remove_file(*file)
        return PlainTextResponse("This page is gone; reload it.", 403)
    return Response(status_code=204)


def _file_name(sent: str) -> str:
    """Return the last part of a path, as any page and log can show it."""
    return shortened(re.split(r"[/\\]", sent)[-1], _NAME_LENGTH) or "file"


def _unhurried(receive: Receive) -> Receive:
    """Wait for the next part of a body, but not for ever."""

    async def next_part() -> Message:
        return await asyncio.wait_for(receive(), _PART_WITHIN_S)

    return next_part


async def _file(request: Request) -> Response:
    """A file of a visitor's workspace, for the player on its page; nobody else's."""
    visitor = request.headers.get(VISITOR_HEADER.decode(), "")
    found = workspaces().find(request.path_params["workspace"], visitor)
    jobs = found.files.jobs if found is not None else []
    job = next((job for job in jobs if job.key == request.path_params["key"]), None)
    if job is None:
        return PlainTextResponse("This file is no longer here.", 404)
    file, kind = job.player or job.file, mimetypes.guess_type(job.name)[0] or ""
    if job.player:
        kind = "audio/flac"
    elif not kind.startswith(_MEDIA):
        kind = "audio/wav"
    kept = BackgroundTask(_nothing, file)  # which is deleted when nobody has it any more
    headers = {"Cache-Control": "private"}
    return FileResponse(file.path, media_type=kind, headers=headers, background=kept)


def _nothing(file: StoredFile) -> None:
    """Have been handed ``file``."""
