"""Two networks that meet only in a third host, as network namespaces created by root.

Browser (10.77.1.2) ── host in the middle (10.77.1.1, 10.77.2.1) ── app (10.77.2.2).
Nothing is routed between the two: the page comes through a proxy, audio through coturn.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

__all__ = ["APP", "Middle", "can_be_made", "middle_host", "run_inside", "two_networks"]

BROWSER, MIDDLE, APP = "asr-browser", "asr-middle", "asr-app"
PAGE_PORT, TURN_PORT, TLS_PORT = 8501, 3478, 5349
_RELAY_PORT, _TLS_RELAY_PORT = 3479, 5350
_ROOT = Path(__file__).parents[2]


def can_be_made() -> bool:
    """Return whether this user may create network namespaces here."""
    try:
        _ip("netns", "add", "asr-probe")
    except (OSError, subprocess.CalledProcessError):
        return False
    _ip("netns", "del", "asr-probe")
    return True


def run_inside(network: str, *command: str) -> list[str]:
    """Return the command that runs ``command`` inside ``network``."""
    return ["ip", "netns", "exec", network, *command]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def two_networks() -> Iterator[None]:
    """Create the three hosts and the two wires between them."""
    with ExitStack() as undo:
        for network in (BROWSER, MIDDLE, APP):
            subprocess.run(["ip", "netns", "del", network], capture_output=True, check=False)
            _ip("netns", "add", network)
            undo.callback(_ip, "netns", "del", network)
            _ip("-n", network, "link", "set", "lo", "up")
        for number, network in ((1, BROWSER), (2, APP)):
            wire = ("wire", f"wire{number}")
            _ip("link", "add", wire[0], "netns", network, "type", "veth",
                "peer", "name", wire[1], "netns", MIDDLE)  # fmt: skip
            for where, name, host in ((network, wire[0], 2), (MIDDLE, wire[1], 1)):
                # A late IPv6 address would make Chromium drop everything it is loading.
                _ip("-n", where, "link", "set", "dev", name, "addrgenmode", "none")
                _ip("-n", where, "addr", "add", f"10.77.{number}.{host}/24", "dev", name)
                _ip("-n", where, "link", "set", name, "up")
        # The app reaches the relay by the address the browser uses.
        _ip("-n", APP, "route", "add", "10.77.1.1", "via", "10.77.2.1")
        yield


class Middle:
    """The host in the middle: a proxy for the page, coturn, and the quality of the link."""

    page = f"http://10.77.1.1:{PAGE_PORT}"
    turn: ClassVar = {
        "udp": f"turn:10.77.1.1:{TURN_PORT}?transport=udp",
        "tcp": f"turn:10.77.1.1:{TURN_PORT}?transport=tcp",
        "tls": f"turns:10.77.1.1:{TLS_PORT}?transport=tcp",
    }

    def __init__(self, link: subprocess.Popen[str], certificate: Path) -> None:
        self._link, self.certificate = link, certificate

    def set(self, loss: float = 0.0, jitter_s: float = 0.0) -> None:
        """Set the share of lost datagrams and the jitter, which reorders them."""
        self._send(f"{loss} {jitter_s}")

    def cut(self) -> None:
        """Let nothing pass until ``set`` is called."""
        self._send("cut")

    def _send(self, line: str) -> None:
        assert self._link.stdin is not None
        self._link.stdin.write(line + "\n")
        self._link.stdin.flush()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate of the host in the middle, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=10.77.1.1", "-addext", "subjectAltName=IP:10.77.1.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@contextmanager
def middle_host(turnserver: str, folder: Path) -> Iterator[Middle]:
    """Serve the host in the middle of :func:`two_networks`."""
    certificate, key = _certificate(folder)
    relay = run_inside(
        MIDDLE, turnserver, "-n", "--no-cli", "--no-dtls", "--listening-ip=127.0.0.1",
        f"--listening-port={_RELAY_PORT}", f"--tls-listening-port={_TLS_RELAY_PORT}",
        f"--cert={certificate}", f"--pkey={key}", "--relay-ip=10.77.2.1", "--use-auth-secret",
        "--static-auth-secret=north", "--realm=example.org", "--no-multicast-peers",
        f"--pidfile={folder / 'pid'}", "--log-file=stdout",
    )  # fmt: skip
    link = run_inside(
        MIDDLE, sys.executable, "-m", "tests.browser.bad_link",
        str(PAGE_PORT), f"10.77.2.2:{PAGE_PORT}", f"{TURN_PORT}:{_RELAY_PORT}",
        f"{TLS_PORT}:{_TLS_RELAY_PORT}",
    )  # fmt: skip
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(relay, stdout=subprocess.DEVNULL, cwd=folder) as coturn,
        subprocess.Popen(link, stdin=pipe, stdout=pipe, text=True, cwd=_ROOT) as way,
    ):
        try:
            assert way.stdout is not None
            assert way.stdout.readline() == "ready\n"
            time.sleep(0.5)  # coturn does not report when it listens
            assert coturn.poll() is None, "coturn ended at once"
            yield Middle(way, certificate)
        finally:
            coturn.terminate()
            way.terminate()
