"""A raw Streamlit client: a browser's side of the protocol, with cookies and a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.raw.http import Response, fetch
from tests.raw.page import Element, Page

__all__ = ["Client", "NoPage"]

_XSRF = "_streamlit_xsrf"
_TICK_S = 0.02


class NoPage(Exception):
    """The server sent no page, or not in time."""


class Client:
    """One visitor with one tab. Everything runs in one event loop.

    Attributes:
        cookies: as kept by the browser; share them with another client to be the same
            visitor in another tab, or after a reload.
        states: of the widgets changed so far, by id; sent with every rerun.
        watch: called with each message and each answer as bytes, before it is parsed.
    """

    def __init__(
        self, address: str, *, cookies: dict[str, str] | None = None,
        watch: Callable[[bytes], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.address, self.watch = address, watch
        self.cookies = {} if cookies is None else cookies
        self.page = Page()
        self.states: dict[str, WidgetState] = {}
        self.query = ""
        self.closed = ""
        self.n_messages = 0
        self._socket: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._answers: dict[str, Any] = {}

    async def fetch(self, path: str, **how: Any) -> Response:
        """Fetch as this visitor; see :func:`tests.raw.http.fetch`."""
        answer = await fetch(self.address, path, cookies=self.cookies, **how)
        self.watch(answer.raw)
        return answer

    async def open(self, path: str = "/", *, query: str = "", session_id: str = "") -> Client:
        """Open a page as a browser does, and wait until it is drawn.

        Args:
            path: of the page, such as ``/upload``.
            query: of its address, without the question mark.
            session_id: of the session to go on with.

        Raises:
            NoPage: it did not come.
        """
        answer = await self.fetch(path + (f"?{query}" if query else ""))
        if answer.status != 200:
            raise NoPage(f"{path} answers {answer.status}: {answer.body[:200]!r}")
        for asked in ("/_stcore/health", "/_stcore/host-config"):
            await self.fetch(asked)
        await self.connect(session_id)
        self.query = query
        await self.run(page_name=path.strip("/"))
        return self

    async def connect(self, session_id: str = "", *, redraws: bool = True, **how: Any) -> None:
        """Connect the WebSocket and start to read.

        Args:
            session_id: of the session to go on with.
            redraws: rerun the fragments as often as they ask, as a browser does.

        Raises:
            NoPage: the server refuses.
        """
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        spoken = ["streamlit", self.xsrf or "none", *filter(None, [session_id])]
        options: dict[str, Any] = {
            "additional_headers": headers, "origin": self.address, "subprotocols": spoken,
            "max_size": None, "compression": None, "ping_interval": None, "open_timeout": 30,
            "proxy": None,
        }  # fmt: skip
        uri = "ws://" + urlsplit(self.address).netloc + "/_stcore/stream"
        try:
            self._socket = await connect(uri, **(options | how))
        except (OSError, WebSocketException) as error:
            raise NoPage(f"no WebSocket: {error}") from error
        self.closed = ""
        self._tasks = [asyncio.create_task(self._read(self._socket))]
        if redraws:
            self._tasks.append(asyncio.create_task(self._redraw()))

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for data in socket:
                assert isinstance(data, bytes)
                self.n_messages += 1
                self.watch(data)
                message = ForwardMsg()
                message.ParseFromString(data)
                self.page.apply(message)
                kind = message.WhichOneof("type")
                if kind == "file_urls_response":
                    urls = message.file_urls_response
                    self._answers[urls.response_id] = urls
                elif kind == "backend_operation_response":
                    answer = message.backend_operation_response
                    self._answers[answer.request_id] = answer
            self.closed = f"closed {socket.close_code}"
        except (ConnectionClosed, OSError, DecodeError) as error:
            self.closed = repr(error)

    async def _redraw(self) -> None:
        due: dict[str, float] = {}
        while not self.closed:
            now = time.monotonic()
            due = {name: due.get(name, now + s) for name, s in self.page.fragments.items()}
            for name in [name for name, at in due.items() if at <= now]:
                due[name] = now + self.page.fragments[name]
                await self.rerun(fragment=name)
            await asyncio.sleep(0.05)

    async def send(self, message: BackMsg | bytes | str) -> None:
        """Send a message, or anything; nothing happens once the connection is closed."""
        assert self._socket is not None
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(
                message.SerializeToString() if isinstance(message, BackMsg) else message
            )

    async def rerun(self, *, page_name: str = "", fragment: str = "", **trigger: Any) -> None:
        """Ask for a run of the script, or of a fragment, and do not wait.

        Args:
            page_name: path of the page to go to; the current one if empty.
            trigger: fields of a :class:`WidgetState` that is sent this once, such as
                ``id=…, trigger_value=True``.
        """
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string = self.query
        asked.page_script_hash = self.page.pages.get(page_name, "") if page_name else ""
        asked.page_script_hash = asked.page_script_hash or (
            "" if page_name else self.page.script_hash
        )
        asked.page_name = page_name
        asked.fragment_id, asked.is_auto_rerun = fragment, bool(fragment)
        asked.context_info.url = self.address
        asked.widget_states.widgets.extend(self.states.values())
        if trigger:
            asked.widget_states.widgets.add(**trigger)
        await self.send(message)

    async def run(self, *, timeout_s: float = 90.0, **how: Any) -> Page:
        """Run the script and wait for its end; see :meth:`rerun`.

        Raises:
            NoPage: the connection was closed, or it takes too long.
        """
        before = self.page.finished
        await self.rerun(**how)
        await self.until(lambda: self.page.finished > before, timeout_s)
        return self.page

    async def until(self, condition: Callable[[], object], timeout_s: float = 60.0) -> None:
        """Wait until ``condition`` holds.

        Raises:
            NoPage: it does not hold in time, or the connection is closed.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self.closed:
                raise NoPage(f"the connection is gone: {self.closed}")
            if time.monotonic() > deadline:
                raise NoPage(f"waited {timeout_s:g} s in vain; there is {self.page.texts()}")
            await asyncio.sleep(_TICK_S)

    def set(self, widget: Element | str, **fields: Any) -> None:
        """Set the state of a widget, as fields of :class:`WidgetState` for the next run."""
        name = widget if isinstance(widget, str) else widget.id
        self.states[name] = WidgetState(id=name, **fields)

    async def choose(self, label: str, option: str) -> Page:
        """Pick an option of the select box with this label."""
        self.set(self.page.one("selectbox", label), string_value=option)
        return await self.run()

    async def toggle(self, label: str, *, on: bool = True) -> Page:
        """Set the check box or switch with this label."""
        self.set(self.page.one("checkbox", label), bool_value=on)
        return await self.run()

    async def press(self, label: str) -> Page:
        """Press the button with this label; one in a fragment runs that fragment only."""
        button = self.page.one("button", label)
        if not button.fragment:
            return await self.run(id=button.id, trigger_value=True)
        await self.rerun(fragment=button.fragment, id=button.id, trigger_value=True)
        return self.page

    async def answered(self, request_id: str) -> Any:
        """Wait for the answer to a message that has an id of its own, and return it.

        Raises:
            NoPage: none comes.
        """
        await self.until(lambda: request_id in self._answers, 20)
        return self._answers.pop(request_id)

    @property
    def xsrf(self) -> str:
        """The token that uploads carry in a header, from its cookie."""
        return self.cookies.get(_XSRF, "")

    async def close(self) -> None:
        """Close the tab."""
        if self._socket is not None:
            await self._socket.close()
        await self._end()

    async def cut(self) -> None:
        """Break the connection without closing it, as a network failure does."""
        if self._socket is not None:
            self._socket.transport.abort()
        await self._end()

    async def _end(self) -> None:
        self.closed = self.closed or "by the client"
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def reconnect(self) -> None:
        """Reconnect and continue the session, as a browser's tab does by itself."""
        session_id = self.page.session_id
        self.page = Page(session_id=session_id, script_hash=self.page.script_hash,
                         pages=self.page.pages)  # fmt: skip
        await self.connect(session_id)
        await self.run()
