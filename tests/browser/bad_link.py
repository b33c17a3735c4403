"""A bad link between two networks: ``python -m tests.browser.bad_link PORT HOST:PORT PORT:PORT …``.

Forwards TCP on the first port to the second address (the page), and of each further pair
TCP and UDP on the first to the second port of this host (the relay). Datagrams are lost, delayed and
reordered as a line on standard input says: ``loss jitter_s`` (0.05 0.03); ``cut`` stops
everything, page included, until the next line. The kernel's netem does the same, but is
not in every kernel.
"""

from __future__ import annotations

import asyncio
import functools
import random
import sys
from collections.abc import Callable


class Link:
    """The current quality of the link."""

    def __init__(self, seed: int) -> None:
        self.loss, self.jitter_s = 0.0, 0.0
        self._open = asyncio.Event()
        self._open.set()
        self._random = random.Random(seed)

    def set(self, line: str) -> None:
        if line.strip() == "cut":
            self._open.clear()
            return
        self.loss, self.jitter_s = map(float, line.split())
        self._open.set()

    async def wait(self) -> None:
        await self._open.wait()

    def carry(self, deliver: Callable[[], None]) -> None:
        """Deliver a datagram at once, late (so that others overtake it), or never."""
        if not self._open.is_set() or self._random.random() < self.loss:
            return
        delay_s = self._random.random() * self.jitter_s
        asyncio.get_running_loop().call_later(delay_s, deliver)


class _Back(asyncio.DatagramProtocol):
    """Forwards answers to one client."""

    def __init__(self, link: Link, answer: Callable[[bytes], None]) -> None:
        self._link, self._answer = link, answer

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._link.carry(lambda: self._answer(data))


class _Front(asyncio.DatagramProtocol):
    """Forwards what clients send."""

    def __init__(self, link: Link, target: tuple[str, int]) -> None:
        self._link, self._target = link, target
        self._clients: dict[object, asyncio.Future[asyncio.DatagramTransport]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._link.carry(lambda: self._pass_on(data, addr))

    def _pass_on(self, data: bytes, addr: object) -> None:
        if addr not in self._clients:
            self._clients[addr] = asyncio.ensure_future(self._connect(addr))
        self._clients[addr].add_done_callback(lambda done: done.result().sendto(data))

    async def _connect(self, addr: object) -> asyncio.DatagramTransport:
        def answer(data: bytes) -> None:
            self._transport.sendto(data, addr)  # type: ignore[attr-defined]

        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Back(self._link, answer), remote_addr=self._target
        )
        return transport


async def _pump(link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            await link.wait()
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def _forward(link: Link, port: int, host: str, host_port: int) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(host, host_port)
        await asyncio.gather(_pump(link, reader, there[1]), _pump(link, there[0], writer))

    await asyncio.start_server(accept, "0.0.0.0", port)


async def _main(page: int, target: str, relays: list[tuple[int, int]]) -> None:
    link = Link(seed=1)
    host, port = target.split(":")
    await _forward(link, page, host, int(port))
    loop = asyncio.get_running_loop()
    for relay_in, relay_out in relays:
        await _forward(link, relay_in, "127.0.0.1", relay_out)
        await loop.create_datagram_endpoint(
            functools.partial(_Front, link, ("127.0.0.1", relay_out)),
            local_addr=("0.0.0.0", relay_in),
        )
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        link.set(line)


if __name__ == "__main__":
    _page, _target, *_pairs = sys.argv[1:]
    _relays = [(int(a), int(b)) for a, b in (pair.split(":") for pair in _pairs)]
    asyncio.run(_main(int(_page), _target, _relays))
