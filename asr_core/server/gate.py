"""The gate before the pages: every request passes it, and what may not pass ends here.

An ASGI middleware (https://asgi.readthedocs.io). In this order it asks: is this a name of
ours, is it a page of ours that asks, who is it, may they come in, do they send too much?
Nothing is read, allocated or looked up for those who fail.
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

from asr_core.budget import Budget, Resource
from asr_core.errors import LimitError
from asr_core.rate_limit import KeyedBuckets, TokenBucket
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
"""Set for the app behind the gate; what a client sends under these names is taken away."""

_MAX_COOKIE_BYTES = 16_384  # a sign-in may have four of four kilobytes

_FREE = ("/_stcore/health", "/health", "/auth/login", "/auth/logout", "/oauth2callback",
         "/favicon.png", "/robots.txt")  # fmt: skip
"""Open to everybody: a load balancer asks them, and the way in leads through them."""

_NO_PAGES = ("/_stcore/", "/static/", "/media/", "/component/", "/app/static/", "/files/")
"""Below these there are files and sockets, no pages that a person opens."""

_CLOSED = ("/_stcore/metrics", "/_stcore/agent", "/_stcore/script-health-check")
"""Of Streamlit's own: for whoever runs a server, not for its visitors."""

_STREAM = "/_stcore/stream"
_UPLOADS = "/_stcore/upload_file/"
_MAX_BODY_BYTES = 64 * 1024  # of a request that is no upload: nothing of ours is longer
MAX_MESSAGE_BYTES = 1_000_000  # a browser's messages have some ten kilobytes
_MESSAGES_PER_S, _MESSAGES_BURST = 15.0, 60.0
"""A page that is redrawn all the time sends four a second; one that opens, some twenty."""

_CALM_PER_S, _CALM_BURST = 6.0, 60.0
"""Messages of one browser that wait for nobody else's: those who flood from behind the same
address do not hold up who only reads along."""

_ADDRESS_MESSAGES_PER_S, _ADDRESS_MESSAGES_BURST = 100.0, 1000.0  # of all its browsers
_OPENINGS_PER_S, _OPENINGS_BURST = 30.0, 1000.0  # pages that one address opens
_REQUESTS_PER_S, _REQUESTS_BURST = 100.0, 2000.0  # a page has 150 files
_SIGN_INS_PER_S, _SIGN_INS_BURST = 0.2, 20.0  # each asks the provider

_GUESSES_PER_S, _GUESSES_BURST = 1 / 20, 5.0  # wrong invitations, of one address
_FIRST_MESSAGE_S = 30.0  # a browser speaks at once


_OUTSIDE = (Path(__file__).parent / "outside.html").read_text("utf-8")
_BY_LINK = """<p class="note">This app is for invited people: open it with the link that you were
    sent.</p>"""
_BY_SIGN_IN = """<p>Sign in to speak, to read, and to test models.</p>
    <a role="button" href="{base}/sign-in">Sign in</a>"""


class Site(Protocol):
    """What the gate must know of the app behind it; every method returns at once."""

    def user(self, cookies: dict[str, str]) -> str | None:
        """Return who has signed in, in the browser with these cookies; None if nobody has."""

    def sign_in_path(self) -> str | None:
        """Return where one signs in; None where nobody can."""

    def owner_of(self, session_id: str) -> str | None:
        """Return the visitor whose page has this session; None if nobody's has."""

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
        """Take in, or back, the file of a session, by the ids of both; ``whose`` are the
        visitor, whose session it is, and the address."""


@dataclass(frozen=True)
class Refusal:
    """An answer instead of the app's."""

    status: int
    sentence: str


_TOO_MANY = Refusal(429, "Too many attempts; wait a minute and try again.")


class Gate:
    """Runs in the server's event loop.

    Args:
        app: behind the gate.
        hosts: names of ours.
        invitation: the secret of the link that lets in; empty if there is none.
        is_open: nobody needs an invitation or a sign-in.
        base: the path below which the app is served, such as ``/speech``; empty for none.
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
        self._calm = KeyedBuckets(_CALM_PER_S, _CALM_BURST)
        self._by_visitor = KeyedBuckets(2 * _MESSAGES_PER_S, 2 * _MESSAGES_BURST)
        self._by_address = KeyedBuckets(_ADDRESS_MESSAGES_PER_S, _ADDRESS_MESSAGES_BURST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        _take_away(scope)
        request = _Request(scope, self._base)
        send = _with_headers(send, security_headers(is_https=request.is_https))
        if refused := self._refusal(request):
            await _answer(scope, send, refused.status, refused.sentence)
            return
        known = self._cookies.read(request.cookie(self._cookie_name(request)))
        user = None if self._is_open else self._site.user(request.cookies)
        if request.invitation is not None and request.is_page:
            await self._exchange(request, known, user, scope, send)
            return
        visitor = known or Visitor.new()
        if visitor.is_due and (request.is_page or request.path in (_STREAM, *_FREE)):
            send = _with_headers(send, {"Set-Cookie": self._set_cookie(visitor, request)})
        may_enter = self._is_open or visitor.is_invited or user is not None
        visitor = visitor.signed_in_as(user)
        if request.path in _FREE and scope["type"] == "http":
            await self._free(request, scope, receive, send)
        elif not may_enter:
            await self._outside(request, scope, send)
        elif scope["type"] == "websocket":
            await self._page(request, visitor, scope, receive, send)
        else:
            await self._inside(request, visitor, scope, receive, send)

    def _refusal(self, request: _Request) -> Refusal | None:
        if not self._hosts.has(request.host):
            return Refusal(421, "This app is not served under that name. Whoever runs it can "
                           "allow it with ASR_ALLOWED_HOSTS.")  # fmt: skip
        if not self._hosts.allows_origin(request.origin, request.host):
            return Refusal(403, "Another site's page may not use this app.")
        if not self._may_ask(request):
            return _TOO_MANY
        is_socket = request.scope["type"] == "websocket"
        if request.path.startswith(_CLOSED) or (is_socket and request.path != _STREAM):
            return Refusal(404, "There is nothing here.")
        return None

    def _may_ask(self, request: _Request) -> bool:
        if request.scope["type"] != "http":
            return True
        if request.path.startswith("/auth/") and not self._sign_ins.take(request.address):
            return False
        return self._requests.take(request.address)

    # --- the way in ----------------------------------------------------------------

    async def _exchange(
        self, request: _Request, visitor: Visitor | None, user: str | None, scope: Scope, send: Send
    ) -> None:
        """An invitation for a cookie; the address is shown without it from then on."""
        given = request.invitation or ""
        headers = {"Location": request.without_invitation(), "Cache-Control": "no-store"}
        if visitor is None or not visitor.is_invited:
            if self._guesses.wait_s(request.address) > 0:
                logger.warning("invitations guessed too often", extra={"from": request.address})
                await _answer(scope, send, _TOO_MANY.status, _TOO_MANY.sentence)
                return
            if is_invitation(given, self._invitation):
                # Who was let in before keeps what they made; a stranger's name may be planted.
                before = visitor if visitor is not None and user is not None else Visitor.new()
                invited = replace(before, is_invited=True)
                headers["Set-Cookie"] = self._set_cookie(invited, request)
            elif self._invitation:
                self._guesses.take(request.address)
                logger.warning("wrong invitation", extra={"from": request.address})
        await _answer(scope, send, 303, "", headers)

    def _set_cookie(self, visitor: Visitor, request: _Request) -> str:
        secure = "; Secure" if request.is_https else ""
        return (
            f"{self._cookie_name(request)}={self._cookies.write(visitor)}; Path={self._base or '/'}; HttpOnly; "
            f"SameSite=Lax; Max-Age={COOKIE_MAX_AGE_S}{secure}"
        )

    def _cookie_name(self, request: _Request) -> str:
        """Over https one that no other site, and nobody on the way, can plant (RFC 6265bis)."""
        if not request.is_https:
            return COOKIE
        return f"__Secure-{COOKIE}" if self._base else f"__Host-{COOKIE}"

    async def _outside(self, request: _Request, scope: Scope, send: Send) -> None:
        if scope["type"] == "websocket" or not request.is_page:
            await _answer(scope, send, 403, "This app is for invited people.")
            return
        sign_in = self._site.sign_in_path()
        if request.path == "/sign-in" and sign_in is not None:
            headers = {"Location": sign_in, "Cache-Control": "no-store"}
            await _answer(scope, send, 303, "", headers)
            return
        way_in = _BY_LINK if sign_in is None else _BY_SIGN_IN
        page = _OUTSIDE.replace("{way_in}", way_in).replace("{base}", self._base)
        await _answer(scope, send, 403, page, {"Content-Type": "text/html; charset=utf-8"})

    # --- inside --------------------------------------------------------------------

    async def _free(self, request: _Request, scope: Scope, receive: Receive, send: Send) -> None:
        if request.path == "/health":
            fault = self._site.health()
            await _answer(scope, send, 503 if fault else 200, fault or "ok")
        elif request.path == "/_stcore/health" and (fault := self._site.page_fault()):
            await _answer(scope, send, 503, fault)  # pages ask this before they connect
        else:
            await self._app(scope, _bounded(receive, _MAX_BODY_BYTES), send)

    async def _inside(
        self, request: _Request, visitor: Visitor, scope: Scope, receive: Receive, send: Send
    ) -> None:
        _tell(scope, visitor, request.address)
        if not request.is_upload:
            await self._app(scope, _bounded(receive, _MAX_BODY_BYTES), send)
        elif request.upload is None:
            await _answer(scope, send, 404, "There is nothing here.")
        elif self._site.owner_of(request.upload[0]) != visitor.id:
            await _answer(scope, send, 403, "This page is not yours; reload it.")
        else:
            whose = (visitor.id, request.address)
            await self._site.upload(scope, receive, send, request.upload, whose)

    async def _page(
        self, request: _Request, visitor: Visitor, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """A page's WebSocket, from its opening to its end."""
        _tell(scope, visitor, request.address)
        _keep_to_own_sessions(scope, visitor, self._site)
        # What the gate has let in is of the same origin for whatever asks behind it.
        _replace_header(scope, b"host", request.origin_host)
        if not self._openings.take(request.address):
            await _answer(scope, send, _TOO_MANY.status, _TOO_MANY.sentence)
            return
        try:
            place = self._budget.take(Resource.CONNECTIONS, 1, visitor.id, request.address)
        except LimitError as error:
            await _answer(scope, send, 503, str(error))
            return
        with place:
            await self._app(scope, self._paced(receive, send, visitor, request.address), send)

    def _paced(self, receive: Receive, send: Send, visitor: Visitor, address: str) -> Receive:
        """Messages no faster than a browser sends them; who sends more waits."""
        bucket = TokenBucket(_MESSAGES_PER_S, _MESSAGES_BURST)
        has_spoken = False

        async def next_message() -> Message:
            nonlocal has_spoken
            try:
                message = await asyncio.wait_for(
                    receive(), None if has_spoken else _FIRST_MESSAGE_S
                )
            except TimeoutError:
                return {"type": "websocket.disconnect", "code": 1000}
            if message["type"] != "websocket.receive":
                return message
            has_spoken = True
            data = message.get("bytes")
            if data is None or len(data) > MAX_MESSAGE_BYTES:
                await send({"type": "websocket.close", "code": 1003 if data is None else 1009})
                return {"type": "websocket.disconnect", "code": 1009}
            while not bucket.take(time.monotonic()):
                await asyncio.sleep(bucket.wait_s(time.monotonic()))
            if not self._calm.take(visitor.id):
                for buckets, key in ((self._by_visitor, visitor.id), (self._by_address, address)):
                    while not buckets.take(key):
                        await asyncio.sleep(buckets.wait_s(key))
            return message

        return next_message


class _Request:
    """What the gate reads of a request, before anybody else does."""

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
        """The one of that name; None if there are several, of which one was planted."""
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
        """A person may have opened this."""
        return (
            self.scope["type"] == "http"
            and self.scope["method"] in ("GET", "HEAD")
            and not self.path.startswith(_NO_PAGES)
            and self.path not in _FREE
        )

    @property
    def address(self) -> str:
        """Of the client; of one with IPv6 its network, since it has as many as it likes."""
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
        """The address, relative to the host."""
        rest = urlencode([item for item in self._query if item[0] != "invite"])
        path = "/" + quote(self.scope["path"].lstrip("/\\"))  # never another host's
        return f"{path}?{rest}" if rest else path

    @property
    def is_upload(self) -> bool:
        """An uploaded file is sent or taken back."""
        return self.path.startswith(_UPLOADS) and self.scope["method"] in ("PUT", "DELETE")

    @property
    def upload(self) -> tuple[str, str] | None:
        """The session whose page has the uploader, and the file's id; None for odd addresses."""
        parts = self.path.removeprefix(_UPLOADS).split("/")
        return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None

    def _header(self, name: bytes) -> str | None:
        values = [value for key, value in self.scope["headers"] if key == name]
        return values[0].decode("latin-1") if len(values) == 1 else None


def _take_away(scope: Scope) -> None:
    """Remove what only the gate may say, and cookies that take a library seconds to read."""
    _replace_header(scope, VISITOR_HEADER, None)
    _replace_header(scope, ADDRESS_HEADER, None)
    for name, value in scope["headers"]:
        if name == b"cookie" and (len(value) > _MAX_COOKIE_BYTES or b"\\" in value):
            _replace_header(scope, b"cookie", None)
            return


def _tell(scope: Scope, visitor: Visitor, address: str) -> None:
    """The app behind the gate reads in headers who asks, and from where."""
    _replace_header(scope, VISITOR_HEADER, visitor.id)
    _replace_header(scope, ADDRESS_HEADER, address)


def _replace_header(scope: Scope, name: bytes, value: str | None) -> None:
    headers = [(key, old) for key, old in scope["headers"] if key != name]
    scope["headers"] = [*headers, (name, value.encode("latin-1"))] if value else headers


def _keep_to_own_sessions(scope: Scope, visitor: Visitor, site: Site) -> None:
    """Streamlit resumes the session that the third subprotocol names; only one's own."""
    name = b"sec-websocket-protocol"
    offered = next((value for key, value in scope["headers"] if key == name), b"").decode("latin-1")
    protocols = [part.strip() for part in offered.split(",")]
    if len(protocols) > 2 and site.owner_of(protocols[2]) != visitor.id:
        _replace_header(scope, name, ", ".join(protocols[:2]))


def _bounded(receive: Receive, most_bytes: int) -> Receive:
    n_bytes = 0

    async def next_part() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        return message if n_bytes <= most_bytes else {"type": "http.disconnect"}

    return next_part


def _with_headers(send: Send, headers: dict[str, str]) -> Send:
    """Add to what the app answers; a header of its own stays, but for cookies."""
    extra = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]

    async def send_with_headers(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept"):
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given} - {b"set-cookie"}
            message["headers"] = [*given, *(item for item in extra if item[0] not in names)]
        await send(message)

    return send_with_headers


async def _answer(
    scope: Scope, send: Send, status: int, text: str, headers: dict[str, str] | None = None
) -> None:
    """Answer in the app's place; a WebSocket is refused, which browsers see as a failure."""
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
