"""A TCP proxy on loopback whose connections can be cut or stalled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

__all__ = ["Proxy", "proxy_to"]


class Proxy:
    """A proxy between visitors and the app; everything runs in one event loop."""

    def __init__(self, target: str) -> None:
        url = urlsplit(target)
        assert url.hostname and url.port
        self._target = (url.hostname, url.port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.address = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one visitor to the app."""
        try:
            app_reader, app_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, app_writer}
        try:
            await asyncio.gather(self._pass(reader, app_writer), self._pass(app_reader, writer))
        finally:
            self._writers -= {writer, app_writer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        await self._flows.wait()  # the other side does not learn that this one is gone
        writer.close()

    def cut(self) -> int:
        """Break all connections at once, on both sides; return how many there were."""
        n_cut = len(self._writers) // 2
        for writer in self._writers:
            writer.transport.abort()
        return n_cut

    def stall(self) -> None:
        """Let nothing through, with all connections open, like a sleeping laptop."""
        self._flows.clear()

    def flow(self) -> None:
        """Let everything through again."""
        self._flows.set()

    async def close(self) -> None:
        """Break all connections, and wait until all are gone."""
        self.cut()
        self.flow()
        while self._writers:
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def proxy_to(target: str) -> AsyncIterator[Proxy]:
    """Open a proxy in front of the app at ``target`` (``http://host:port``)."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
