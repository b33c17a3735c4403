"""What is deployed keeps strangers out: the relay, the image, the unit, the packages."""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from aioice import stun, turn

_DEPLOY = Path(__file__).parents[1] / "deploy"
_SECRET = "north-by-northwest"


def _setting(name: str) -> list[str]:
    lines = (_DEPLOY / "turnserver.conf").read_text().splitlines()
    return [line.split("=", 1)[1] for line in lines if line.startswith(f"{name}=")]


def _name(visitor: str = "visitor") -> str:
    return f"{int(time.time()) + 3600}:{visitor}"


def _password(name: str) -> str:
    return base64.b64encode(hmac.digest(_SECRET.encode(), name.encode(), "sha1")).decode()


class _Peer(asyncio.DatagramProtocol):
    """One end of a call: what came, and whether sending was refused; it may answer."""

    def __init__(self, answer: bytes | None = None) -> None:
        self._answer = answer
        self.came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if self._answer is not None:
            self._transport.sendto(self._answer, address)
        if not self.came.done():
            self.came.set_result(data)

    def error_received(self, error: Exception) -> None:
        self.came.set_exception(error)


class Relay:
    """A running coturn with the configuration that is deployed.

    The app's address is 127.0.0.1 here; coturn itself listens and relays at 127.0.0.2.
    """

    app = "127.0.0.1"
    own = "127.0.0.2"

    def __init__(self, process: subprocess.Popen[str], port: int, configuration: Path) -> None:
        self.process, self.configuration = process, configuration
        self.address = (self.own, port)

    async def allocate(
        self, name: str = "", password: str = "", transport: str = "udp"
    ) -> tuple[turn.TurnTransport, _Peer]:
        name = name or _name()
        return await turn.create_turn_endpoint(
            _Peer,
            server_addr=self.address,
            username=name,
            password=password or _password(name),
            transport=transport,
        )


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    if shutil.which("turnserver") is None:
        pytest.skip("needs Debian's coturn")
    tmp_path = tmp_path_factory.mktemp("relay")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((Relay.own, 0))
        port = probe.getsockname()[1]
    template, configuration = tmp_path / "template.conf", tmp_path / "turnserver.conf"
    text = (_DEPLOY / "turnserver.conf").read_text()
    for deployed, here in (
        (r"listening-port=\d+", f"listening-port={port}"),
        (r"((?:listening|relay)-ip)=.*", rf"\1={Relay.own}"),
        # An app on loopback is what can be had without networks of one's own.
        (r"allowed-peer-ip=.*", f"allowed-peer-ip={Relay.app}\nallow-loopback-peers"),
    ):
        text, n = re.subn(deployed, here, text)
        assert n
    template.write_text(text)
    environment = {**os.environ, "TURN_SECRET": _SECRET, "DOMAIN": "speech.example.org"}
    with subprocess.Popen(
        [_DEPLOY / "turnserver.sh", template, configuration],
        env=environment, cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            running = Relay(process, port, configuration)
            asyncio.run(_until_it_answers(running))
            yield running
        finally:
            process.terminate()


async def _until_it_answers(relay: Relay) -> None:
    for _ in range(100):
        assert relay.process.poll() is None, "coturn ended at once"
        with suppress(OSError, TimeoutError, stun.TransactionError):
            await asyncio.wait_for(relay.allocate(_name("probe")), 2)
            return
        await asyncio.sleep(0.1)
    raise AssertionError("coturn does not answer")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_relay_carries_sound_to_the_app_and_back(relay: Relay, transport: str) -> None:
    async def call() -> bytes:
        loop = asyncio.get_running_loop()
        app, _ = await loop.create_datagram_endpoint(
            lambda: _Peer(answer=b"words"), local_addr=(Relay.app, 0)
        )
        way, browser = await relay.allocate(transport=transport)
        way.sendto(b"sound", app.get_extra_info("sockname"))
        return await asyncio.wait_for(browser.came, 10)

    assert asyncio.run(call()) == b"words"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.2", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1",
        "169.254.169.254", "172.29.31.1", "192.168.1.1", "198.18.0.1", "203.0.113.9",
        "8.8.8.8", "224.0.0.251", "255.255.255.255", "::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "fd00:ec2::254", "fe80::1", "ff02::1", "2002:7f00:1::1",
        "2001::7f00:1", "64:ff9b::7f00:1", "2606:4700:4700::1111",
    ],
)  # fmt: skip
def test_the_relay_refuses_every_address_but_the_apps(relay: Relay, address: str) -> None:
    async def code() -> int | None:
        way, stranger = await relay.allocate(_name("curious-" + address.replace(":", "-")))
        way.sendto(b"hello from outside", (address, 6399))
        with pytest.raises(stun.TransactionFailed) as refusal:
            await asyncio.wait_for(stranger.came, 10)
        return refusal.value.response.error_code

    # Forbidden; or, for the other address family, that there is no relay of it.
    assert asyncio.run(code()) == (443 if ":" in address else 403)


def test_one_visitor_gets_no_more_allocations_than_a_browser_needs(relay: Relay) -> None:
    most = int(_setting("user-quota")[0])

    async def take_all() -> int | None:
        for i in range(most):
            # The expiry is no part of who it is.
            await relay.allocate(f"{int(time.time()) + 3600 + i}:greedy")
        with pytest.raises(stun.TransactionFailed) as refusal:
            await relay.allocate(_name("greedy"))
        await relay.allocate(_name("somebody-else"))
        return refusal.value.response.error_code

    assert asyncio.run(take_all()) == 486  # allocation quota reached


def test_a_stranger_without_the_secret_gets_no_allocation(relay: Relay) -> None:
    with pytest.raises(stun.TransactionFailed):
        asyncio.run(relay.allocate(password="guessed"))


def test_the_relays_secret_is_seen_by_nobody_else(relay: Relay) -> None:
    process = Path("/proc") / str(relay.process.pid)
    assert relay.configuration.stat().st_mode & 0o077 == 0
    assert _SECRET in relay.configuration.read_text()
    for name in ("cmdline", "environ"):
        assert _SECRET.encode() not in (process / name).read_bytes()


@pytest.mark.parametrize("missing", ["TURN_SECRET", "DOMAIN"])
def test_the_relay_does_not_start_without_a_secret(tmp_path: Path, missing: str) -> None:
    environment = {**os.environ, "TURN_SECRET": _SECRET, "DOMAIN": "example.org", missing: ""}
    done = subprocess.run(
        [_DEPLOY / "turnserver.sh", _DEPLOY / "turnserver.conf", tmp_path / "out"],
        env=environment, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert done.returncode
    assert f"{missing}: is not set" in done.stderr
