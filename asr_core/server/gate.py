"""ASGI middleware that checks every request before it reaches the app.

In this order it checks the host name, the origin, the rate of requests, the visitor's
identity and their right to enter. Nothing is read, allocated or looked up for a request
that is refused.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode

from asr_core.errors import LimitError
from asr_core.ops.budget import Budget, Resource
from asr_core.ops.rate_limit import KeyedBuckets, TokenBucket
from asr_core.server.headers import security_headers
from asr_core.server.hosts import AllowedHosts
from asr_core.server.visitors import COOKIE_MAX_AGE_S, Visitor, VisitorCookies, is_invitation

__all__ = ["ADDRESS_HEADER", "COOKIE", "MAX_MESSAGE_BYTES", "VISITOR_HEADER", "Gate", "Site"]

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "speak_and_read"
VISITOR_HEADER = b"x-speak-and-read-visitor"
ADDRESS_HEADER = b"x-speak-and-read-address"
"""Headers set for the app behind the gate; a client's own are removed."""

_MAX_COOKIE_BYTES = 16_384  # a sign-in may need four cookies of 4 KB

_PUBLIC_PATHS = ("/_stcore/health", "/health", "/auth/login", "/auth/logout", "/oauth2callback",
         "/favicon.png", "/robots.txt")  # fmt: skip
"""Paths open to everybody, for load balancers and for signing in."""

_NON_PAGE_PREFIXES = (
    "/_stcore/", "/static/", "/media/", "/component/", "/app/static/", "/files/",
)  # fmt: skip
"""Path prefixes of files and sockets, not of pages that a person opens."""

_BLOCKED_PATHS = ("/_stcore/metrics", "/_stcore/agent", "/_stcore/script-health-check")
"""Streamlit's own endpoints for operators, closed to visitors."""

_STREAM_PATH = "/_stcore/stream"
_UPLOAD_PREFIX = "/_stcore/upload_file/"
_MAX_BODY_BYTES = 64 * 1024  # except uploads; the app's requests are shorter
MAX_MESSAGE_BYTES = 1_000_000  # browsers send some ten kilobytes
_MESSAGES_PER_S, _MESSAGES_BURST = 15.0, 60.0
"""Rate limit of one page: constant redrawing sends four a second, opening a page some twenty."""

_UNTHROTTLED_PER_S, _UNTHROTTLED_BURST = 6.0, 60.0
"""Rate of one browser exempt from the limits of its address, so that a flood from behind the
same address does not delay someone who only reads along."""

_ADDRESS_MESSAGES_PER_S, _ADDRESS_MESSAGES_BURST = 100.0, 1000.0  # all browsers of an address
_OPENINGS_PER_S, _OPENINGS_BURST = 30.0, 1000.0  # pages opened from one address
_REQUESTS_PER_S, _REQUESTS_BURST = 100.0, 2000.0  # a page has 150 files
_SIGN_INS_PER_S, _SIGN_INS_BURST = 0.2, 20.0  # each one queries the provider

_GUESSES_PER_S, _GUESSES_BURST = 1 / 20, 5.0  # wrong invitations from one address
_FIRST_MESSAGE_S = 30.0  # browsers send theirs at once


_ENTRANCE_PAGE = (Path(__file__).parent / "entrance.html").read_text("utf-8")
_INVITATION_NEEDED = """<p class="note">This app is for invited people. Open it with the link you
    were sent.</p>"""
_SIGN_IN_NEEDED = """<p>Sign in to speak, to read, and to test models.</p>
    <a role="button" href="{base}/sign-in">Sign in</a>"""


class Site(Protocol):
    """Interface to the app behind the gate; all methods return at once."""

    def user(self, cookies: dict[str, str]) -> str | None:
        """Return the user signed in with these cookies, or None."""

    def sign_in_path(self) -> str | None:
        """Return the path for signing in; None if it is not set up."""

    def owner_of(self, session_id: str) -> str | None:
        """Return the visitor id of a session, or None."""

    def page_fault(self) -> str | None:
        """Return why no page can be opened, or None."""

    def health(self) -> str | None:
        """Return what is wrong with pages or models, or None."""

    async def upload(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        file: tuple[str, str],
        whose: tuple[str, str],
    ) -> None:
        """Store or delete an uploaded file.

        Args:
            scope: of the request, as the next two.
            receive: yields the body.
            send: sends the response.
            file: session id and file id.
            whose: visitor id and network address.
        """


@dataclass(frozen=True)
class Refusal:
    """Error response sent in the app's place."""

    status: int
    sentence: str


_TOO_MANY = Refusal(429, "Too many attempts; wait a minute and try again.")


class Gate:
    """ASGI middleware for access control and rate limits; runs in the server's event loop.

    Args:
        app: the app behind the gate.
        site: answers the gate's questions about the app.
        budget: source of connections.
        hosts: host names under which the app is served.
        invitation: secret of the invitation link; empty if there is none.
        is_open: whether everybody may enter without invitation or sign-in.
        base: path below which the app is served, such as ``/speech``; empty for none.
    """

    def __init__(
        self,
        app: App,
        *,
        site: Site,
        budget: Budget,
        hosts: AllowedHosts,
        invitation: str = "",
        is_open: bool = True,
        base: str = "",
    ) -> None:
        self._app, self._site, self._budget, self._hosts = app, site, budget, hosts
        self._invitation, self._is_open, self._base = invitation, is_open, base
        self._cookies = VisitorCookies(invitation)
        self._guesses = KeyedBuckets(_GUESSES_PER_S, _GUESSES_BURST)
        self._requests = KeyedBuckets(_REQUESTS_PER_S, _REQUESTS_BURST)
        self._sign_ins = KeyedBuckets(_SIGN_INS_PER_S, _SIGN_INS_BURST)
        self._openings = KeyedBuckets(_OPENINGS_PER_S, _OPENINGS_BURST)
        self._unthrottled = KeyedBuckets(_UNTHROTTLED_PER_S, _UNTHROTTLED_BURST)
        self._by_visitor = KeyedBuckets(2 * _MESSAGES_PER_S, 2 * _MESSAGES_BURST)
        self._by_address = KeyedBuckets(_ADDRESS_MESSAGES_PER_S, _ADDRESS_MESSAGES_BURST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        _remove_untrusted_headers(scope)
        request = _Request(scope, self._base)
        send = _with_headers(send, security_headers(is_https=request.is_https))
        if refusal := self._refusal(request):
            await _respond(scope, send, refusal.status, refusal.sentence)
            return
        known = self._cookies.read(request.cookie(self._cookie_name(request)))
        user = None if self._is_open else self._site.user(request.cookies)
        if request.invitation is not None and request.is_page:
            await self._redeem_invitation(request, known, user, scope, send)
            return
        visitor = known or Visitor.new()
        if visitor.needs_cookie and (
            request.is_page or request.path in (_STREAM_PATH, *_PUBLIC_PATHS)
        ):
            send = _with_headers(send, {"Set-Cookie": self._set_cookie(visitor, request)})
        may_enter = self._is_open or visitor.is_invited or user is not None
        visitor = visitor.signed_in_as(user)
        if request.path in _PUBLIC_PATHS and scope["type"] == "http":
            await self._handle_public(request, scope, receive, send)
        elif not may_enter:
            await self._show_entrance(request, scope, send)
        elif scope["type"] == "websocket":
            await self._handle_websocket(request, visitor, scope, receive, send)
        else:
            await self._handle_http(request, visitor, scope, receive, send)

    def _refusal(self, request: _Request) -> Refusal | None:
        if not self._hosts.allows_host(request.host):
            return Refusal(421, "This app is not served under that name. Its operator can "
                           "allow it with ASR_ALLOWED_HOSTS.")  # fmt: skip
        if not self._hosts.allows_origin(request.origin, request.host):
            return Refusal(403, "Pages of other sites may not use this app.")
        if not self._is_within_rate(request):
            return _TOO_MANY
        is_socket = request.scope["type"] == "websocket"
        if request.path.startswith(_BLOCKED_PATHS) or (is_socket and request.path != _STREAM_PATH):
            return Refusal(404, "There is nothing here.")
        return None

    def _is_within_rate(self, request: _Request) -> bool:
        if request.scope["type"] != "http":
            return True
        if request.path.startswith("/auth/") and not self._sign_ins.try_acquire(request.address):
            return False
        return self._requests.try_acquire(request.address)

    # --- invitations -----------------------------------------------------------------

    async def _redeem_invitation(
        self, request: _Request, visitor: Visitor | None, user: str | None, scope: Scope, send: Send
    ) -> None:
        """Exchange an invitation for a cookie and redirect to the address without it."""
        given = request.invitation or ""
        headers = {"Location": request.without_invitation(), "Cache-Control": "no-store"}
        if visitor is None or not visitor.is_invited:
            if self._guesses.wait_s(request.address) > 0:
                logger.warning("invitations guessed too often", extra={"from": request.address})
                await _respond(scope, send, _TOO_MANY.status, _TOO_MANY.sentence)
                return
            if is_invitation(given, self._invitation):
                # A signed-in visitor keeps their work; a stranger's id may have been planted.
                before = visitor if visitor is not None and user is not None else Visitor.new()
                invited = replace(before, is_invited=True)
                headers["Set-Cookie"] = self._set_cookie(invited, request)
            elif self._invitation:
                self._guesses.try_acquire(request.address)
                logger.warning("wrong invitation", extra={"from": request.address})
        await _respond(scope, send, 303, "", headers)

    def _set_cookie(self, visitor: Visitor, request: _Request) -> str:
        secure = "; Secure" if request.is_https else ""
        return (
            f"{self._cookie_name(request)}={self._cookies.write(visitor)}; Path={self._base or '/'}; HttpOnly; "
            f"SameSite=Lax; Max-Age={COOKIE_MAX_AGE_S}{secure}"
        )

    def _cookie_name(self, request: _Request) -> str:
        """Return the cookie's name; over HTTPS one that others cannot plant (RFC 6265bis)."""
        if not request.is_https:
            return COOKIE
        return f"__Secure-{COOKIE}" if self._base else f"__Host-{COOKIE}"

    async def _show_entrance(self, request: _Request, scope: Scope, send: Send) -> None:
        if scope["type"] == "websocket" or not request.is_page:
            await _respond(scope, send, 403, "This app is for invited people.")
            return
        sign_in = self._site.sign_in_path()
        if request.path == "/sign-in" and sign_in is not None:
            headers = {"Location": sign_in, "Cache-Control": "no-store"}
            await _respond(scope, send, 303, "", headers)
            return
        text = _INVITATION_NEEDED if sign_in is None else _SIGN_IN_NEEDED
        page = _ENTRANCE_PAGE.replace("{text}", text).replace("{base}", self._base)
        await _respond(scope, send, 403, page, {"Content-Type": "text/html; charset=utf-8"})

    # --- requests that may pass ------------------------------------------------------

    async def _handle_public(
        self, request: _Request, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if request.path == "/health":
            fault = self._site.health()
            await _respond(scope, send, 503 if fault else 200, fault or "ok")
        elif request.path == "/_stcore/health" and (fault := self._site.page_fault()):
            await _respond(scope, send, 503, fault)  # pages ask this before they connect
        else:
            await self._app(scope, _limit_body(receive, _MAX_BODY_BYTES), send)

    async def _handle_http(
        self, request: _Request, visitor: Visitor, scope: Scope, receive: Receive, send: Send
    ) -> None:
        _set_identity(scope, visitor, request.address)
        if not request.is_upload:
            await self._app(scope, _limit_body(receive, _MAX_BODY_BYTES), send)
        elif request.upload is None:
            await _respond(scope, send, 404, "There is nothing here.")
        elif self._site.owner_of(request.upload[0]) != visitor.id:
            await _respond(scope, send, 403, "This page is not yours; reload it.")
        else:
            whose = (visitor.id, request.address)
            await self._site.upload(scope, receive, send, request.upload, whose)

    async def _handle_websocket(
        self, request: _Request, visitor: Visitor, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve a page's WebSocket until it closes."""
        _set_identity(scope, visitor, request.address)
        _drop_foreign_session(scope, visitor, self._site)
        # The gate has checked the origin; make it equal the host for checks behind the gate.
        _replace_header(scope, b"host", request.origin_host)
        if not self._openings.try_acquire(request.address):
            await _respond(scope, send, _TOO_MANY.status, _TOO_MANY.sentence)
            return
        try:
            connection = self._budget.reserve(Resource.CONNECTIONS, 1, visitor.id, request.address)
        except LimitError as error:
            await _respond(scope, send, 503, str(error))
            return
        with connection:
            throttled = self._throttle(receive, send, visitor, request.address)
            await self._app(scope, throttled, send)

    def _throttle(self, receive: Receive, send: Send, visitor: Visitor, address: str) -> Receive:
        """Return ``receive`` slowed down to the rate at which browsers send messages."""
        bucket = TokenBucket(_MESSAGES_PER_S, _MESSAGES_BURST)
        is_first = True

        async def next_message() -> Message:
            nonlocal is_first
            try:
                message = await asyncio.wait_for(receive(), _FIRST_MESSAGE_S if is_first else None)
            except TimeoutError:
                return {"type": "websocket.disconnect", "code": 1000}
            if message["type"] != "websocket.receive":
                return message
            is_first = False
            data = message.get("bytes")
            if data is None or len(data) > MAX_MESSAGE_BYTES:
                await send({"type": "websocket.close", "code": 1003 if data is None else 1009})
                return {"type": "websocket.disconnect", "code": 1009}
            while not bucket.try_acquire(time.monotonic()):
                await asyncio.sleep(bucket.wait_s(time.monotonic()))
            if not self._unthrottled.try_acquire(visitor.id):
                for buckets, key in ((self._by_visitor, visitor.id), (self._by_address, address)):
                    while not buckets.try_acquire(key):
                        await asyncio.sleep(buckets.wait_s(key))
            return message

        return next_message


class _Request:
    """Parts of a request that the gate checks."""

    def __init__(self, scope: Scope, base: str) -> None:
        self.scope = scope
        path = scope["path"]
        self.path = path.removeprefix(base) or "/" if base else path
        self.host = self._header(b"host")
        self.origin = self._header(b"origin")

    @functools.cached_property
    def _cookies(self) -> list[tuple[str, str]]:
        header = self._header(b"cookie") or ""
        parts = (part.strip().partition("=") for part in header.split(";"))
        return [(name, value.strip('"')) for name, _, value in parts]

    @functools.cached_property
    def _query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)

    @property
    def cookies(self) -> dict[str, str]:
        return dict(self._cookies)

    def cookie(self, name: str) -> str | None:
        """Return the cookie ``name``; None if there are several, as one was planted."""
        values = [value for key, value in self._cookies if key == name]
        return values[0] if len(values) == 1 else None

    @property
    def is_https(self) -> bool:
        return (
            self.scope["scheme"] in ("https", "wss")
            or self._header(b"x-forwarded-proto") == "https"
        )

    @property
    def is_page(self) -> bool:
        """True for requests of pages that a person opens in a browser."""
        return (
            self.scope["type"] == "http"
            and self.scope["method"] in ("GET", "HEAD")
            and not self.path.startswith(_NON_PAGE_PREFIXES)
            and self.path not in _PUBLIC_PATHS
        )

    @property
    def address(self) -> str:
        """Client address; for IPv6 its network, since a client may use many addresses."""
        host = (self.scope.get("client") or ("unknown",))[0]
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return str(host)
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped:
                return str(address.ipv4_mapped)
            return str(ipaddress.ip_network((address, 64), strict=False))
        return str(address)

    @property
    def origin_host(self) -> str | None:
        return self.origin.split("://", 1)[1] if self.origin else self.host

    @property
    def invitation(self) -> str | None:
        return next((value for name, value in self._query if name == "invite"), None)

    def without_invitation(self) -> str:
        """Return the path and query without the invitation."""
        rest = urlencode([item for item in self._query if item[0] != "invite"])
        path = "/" + quote(self.scope["path"].lstrip("/\\"))  # never to another host
        return f"{path}?{rest}" if rest else path

    @property
    def is_upload(self) -> bool:
        """True for uploads and deletions of files."""
        return self.path.startswith(_UPLOAD_PREFIX) and self.scope["method"] in ("PUT", "DELETE")

    @property
    def upload(self) -> tuple[str, str] | None:
        """Session id and file id of an upload; None if the path is malformed."""
        parts = self.path.removeprefix(_UPLOAD_PREFIX).split("/")
        return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None

    def _header(self, name: bytes) -> str | None:
        values = [value for key, value in self.scope["headers"] if key == name]
        return values[0].decode("latin-1") if len(values) == 1 else None


def _remove_untrusted_headers(scope: Scope) -> None:
    """Remove the gate's own headers, and cookies that take a library seconds to parse."""
    _replace_header(scope, VISITOR_HEADER, None)
    _replace_header(scope, ADDRESS_HEADER, None)
    for name, value in scope["headers"]:
        if name == b"cookie" and (len(value) > _MAX_COOKIE_BYTES or b"\\" in value):
            _replace_header(scope, b"cookie", None)
            return


def _set_identity(scope: Scope, visitor: Visitor, address: str) -> None:
    """Set the headers that tell the app the visitor and the address."""
    _replace_header(scope, VISITOR_HEADER, visitor.id)
    _replace_header(scope, ADDRESS_HEADER, address)


def _replace_header(scope: Scope, name: bytes, value: str | None) -> None:
    headers = [(key, old) for key, old in scope["headers"] if key != name]
    scope["headers"] = [*headers, (name, value.encode("latin-1"))] if value else headers


def _drop_foreign_session(scope: Scope, visitor: Visitor, site: Site) -> None:
    """Remove another visitor's session id from the subprotocols.

    Streamlit resumes the session that the third subprotocol names.
    """
    name = b"sec-websocket-protocol"
    offered = next((value for key, value in scope["headers"] if key == name), b"").decode("latin-1")
    protocols = [part.strip() for part in offered.split(",")]
    if len(protocols) > 2 and site.owner_of(protocols[2]) != visitor.id:
        _replace_header(scope, name, ", ".join(protocols[:2]))


def _limit_body(receive: Receive, max_bytes: int) -> Receive:
    n_bytes = 0

    async def next_part() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        return message if n_bytes <= max_bytes else {"type": "http.disconnect"}

    return next_part


def _with_headers(send: Send, headers: dict[str, str]) -> Send:
    """Return ``send`` with default headers for responses; cookies are always added."""
    extra = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]

    async def send_with_headers(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept"):
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given} - {b"set-cookie"}
            message["headers"] = [*given, *(item for item in extra if item[0] not in names)]
        await send(message)

    return send_with_headers


async def _respond(
    scope: Scope, send: Send, status: int, text: str, headers: dict[str, str] | None = None
) -> None:
    """Respond in the app's place; a WebSocket is refused, a failed connection to browsers."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": text[:120]})
        return
    body = text.encode()
    given = {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}
    listed = [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()]
    listed.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send(
        {"type": "http.response.body", "body": b"" if scope.get("method") == "HEAD" else body}
    )
