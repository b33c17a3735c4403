"""Speech through a real TURN server, where browser and app have no direct path."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import served
from tests.browser.pages import LivePage, wait_until

_RELAY_ONLY = (
    "window.RTCPeerConnection = class extends RTCPeerConnection {"
    " constructor(c) { super({ ...c, iceTransportPolicy: 'relay' }); } }"
)


def _own_address() -> str:
    """Of this machine, as others see it: Chromium leaves the loopback alone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return str(probe.getsockname()[0])


@pytest.fixture
def turn(tmp_path: Path) -> Iterator[str]:
    """The address and port of coturn with a shared secret."""
    binary = shutil.which("turnserver")
    if binary is None:
        pytest.skip("no TURN server: install Debian's coturn")
    address = _own_address()
    with socket.socket() as probe:
        probe.bind((address, 0))
        port = probe.getsockname()[1]
    command = [
        binary, "-n", "--no-cli", "--no-tls", "--no-dtls", f"--listening-ip={address}",
        f"--listening-port={port}", f"--relay-ip={address}", "--allow-loopback-peers",
        "--use-auth-secret", "--static-auth-secret=north", "--realm=example.org",
        f"--pidfile={tmp_path / 'pid'}", "--log-file=stdout", "--no-multicast-peers",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path) as server:
        for _ in range(100):
            with socket.socket() as client:
                if client.connect_ex((address, port)) == 0:
                    break
            time.sleep(0.1)
        yield f"{address}:{port}"
        server.terminate()


@pytest.fixture(params=["udp", "tcp"])
def relayed_app(
    request: pytest.FixtureRequest, turn: str, base: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The address of an app that knows the relay."""
    monkeypatch.setenv("TURN_URLS", f"turn:{turn}?transport={request.param}")
    monkeypatch.setenv("TURN_SECRET", "north")
    with served("-m", "streamlit", "run", "streamlit_app.py") as (address, _):
        yield address


def test_speech_comes_through_the_relay(
    relayed_app: str, launch: Callable[..., Browser], speech_files: Path
) -> None:
    """The browser may use relayed paths only, as behind a firewall."""
    context = launch(speech_files / "two_cities.wav").new_context()
    context.add_init_script(_RELAY_ONLY)
    page = LivePage(context.new_page(), relayed_app)
    page.open("tiny.en")
    page.start()
    wait_until(lambda: "wisdom" in page.committed().lower(), page.page, 40)
    page.stop()
    page.wait_for_end_of_take()
    assert "age of wisdom" in page.committed(0).lower()
