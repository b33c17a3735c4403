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


@pytest.fixture
def turn_port(tmp_path: Path) -> Iterator[int]:
    """coturn with a shared secret, on a free port."""
    binary = shutil.which("turnserver")
    if binary is None:
        pytest.skip("no TURN server: install Debian's coturn")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        binary, "-n", "--no-cli", "--no-tls", "--no-dtls", "--listening-ip=127.0.0.1",
        f"--listening-port={port}", "--relay-ip=127.0.0.1", "--allow-loopback-peers",
        "--use-auth-secret", "--static-auth-secret=north", "--realm=example.org",
        f"--pidfile={tmp_path / 'pid'}", "--log-file=stdout", "--no-multicast-peers",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path) as server:
        for _ in range(100):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
        server.terminate()


@pytest.fixture(params=["udp", "tcp"])
def relayed_app(
    request: pytest.FixtureRequest, turn_port: int, base: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The address of an app that knows the relay."""
    monkeypatch.setenv("TURN_URLS", f"turn:127.0.0.1:{turn_port}?transport={request.param}")
    monkeypatch.setenv("TURN_SECRET", "north")
    with served("-m", "streamlit", "run", "streamlit_app.py") as (address, _):
        yield address


def test_speech_comes_through_the_relay(
    relayed_app: str, launch: Callable[..., Browser], speech_files: Path
) -> None:
    """The browser may use relayed paths only, as behind a firewall."""
    context = launch(speech_files / "beckett.wav").new_context()
    context.add_init_script(_RELAY_ONLY)
    page = LivePage(context.new_page(), relayed_app)
    page.open("tiny.en")
    page.start()
    wait_until(lambda: "tried" in page.committed().lower(), page.page, 40)
    page.page.wait_for_timeout(4_000)
    page.stop()
    page.wait_for_end_of_take()
    assert "again" in page.committed(0).lower()
