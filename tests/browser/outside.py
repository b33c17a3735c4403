"""A machine whose every outgoing packet is seen, and a visitor beside it.

Visitor (10.77.9.1) ── app (10.77.9.2) ── a wire to a host that takes no part. Whatever the
app's machine would send to anybody but the visitor, looks up or tries to reach, goes out
through the card at that wire, and is printed there.

``python -m tests.browser.outside`` prints them, a line each, inside the app's network.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.browser.networks import run_inside

__all__ = ["ALONE", "VISITOR", "Card", "app_alone", "watched_card"]

ALONE, VISITOR, _NOBODY = "asr-alone", "asr-visitor", "asr-nobody"
_CARD = "outside"
_RESOLVER = "198.51.100.53"  # from the address blocks for documentation
_ROOT = Path(__file__).parents[2]
_ETH_P_ALL = 3


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def app_alone() -> Iterator[None]:
    """Create the two machines, the wire between them, and the one to nobody."""
    with ExitStack() as undo:
        for network in (ALONE, VISITOR, _NOBODY):
            subprocess.run(["ip", "netns", "del", network], capture_output=True, check=False)
            _ip("netns", "add", network)
            undo.callback(_ip, "netns", "del", network)
            _ip("-n", network, "link", "set", "lo", "up")
        _ip("link", "add", "wire", "netns", ALONE, "type", "veth",
            "peer", "name", "wire", "netns", VISITOR)  # fmt: skip
        for network, host in ((VISITOR, 1), (ALONE, 2)):
            _ip("-n", network, "link", "set", "dev", "wire", "addrgenmode", "none")
            _ip("-n", network, "addr", "add", f"10.77.9.{host}/24", "dev", "wire")
            _ip("-n", network, "link", "set", "wire", "up")
        _ip("link", "add", _CARD, "netns", ALONE, "type", "veth",
            "peer", "name", _CARD, "netns", _NOBODY)  # fmt: skip
        for network in (ALONE, _NOBODY):
            _ip("-n", network, "link", "set", "dev", _CARD, "addrgenmode", "none")
            _ip("-n", network, "link", "set", "dev", _CARD, "arp", "off")  # nobody would answer
        _ip("-n", _NOBODY, "link", "set", _CARD, "up")
        _ip("-n", ALONE, "addr", "add", "198.51.100.2/24", "dev", _CARD)
        _ip("-n", ALONE, "addr", "add", "2001:db8::2/64", "dev", _CARD, "nodad")
        _ip("-n", ALONE, "link", "set", _CARD, "up")
        _ip("-n", ALONE, "route", "add", "default", "dev", _CARD)
        _ip("-n", ALONE, "-6", "route", "add", "default", "dev", _CARD)
        settings = Path("/etc/netns") / ALONE  # where ``ip netns exec`` looks for them
        settings.mkdir(parents=True, exist_ok=True)
        undo.callback(settings.rmdir)
        resolver = settings / "resolv.conf"
        resolver.write_text(f"nameserver {_RESOLVER}\noptions timeout:1 attempts:1\n")
        undo.callback(resolver.unlink)
        yield


class Card:
    """The packets sent so far."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def seen(self) -> list[str]:
        return self._log.read_text().splitlines()[1:]


@contextmanager
def watched_card(folder: Path) -> Iterator[Card]:
    """Watch what leaves the machine of :func:`app_alone`."""
    log = folder / "outside.log"
    command = run_inside(ALONE, sys.executable, "-m", "tests.browser.outside")
    with log.open("w") as out, subprocess.Popen(command, stdout=out, cwd=_ROOT) as watcher:
        try:
            while not log.read_text():
                assert watcher.poll() is None, "the watcher ended at once"
            yield Card(log)
        finally:
            watcher.terminate()


def _describe(packet: bytes) -> str | None:
    """Return where an IP packet goes and what it looks up; None for the kernel's own."""
    if packet[0] >> 4 == 4:
        protocol, header = packet[9], 4 * (packet[0] & 15)
        to = socket.inet_ntop(socket.AF_INET, packet[16:20])
    else:
        protocol, header = packet[6], 40
        to = socket.inet_ntop(socket.AF_INET6, packet[24:40])
    if protocol in {0, 2, 58}:  # hop-by-hop, IGMP, ICMPv6: neighbours and groups
        return None
    kind = {6: "TCP", 17: "UDP"}.get(protocol, f"protocol {protocol}")
    if protocol not in {6, 17}:
        return f"{kind} to {to}"
    (port,) = struct.unpack("!H", packet[header + 2 : header + 4])
    name = f", looks up {_name(packet[header + 8 :])}" if kind == "UDP" and port == 53 else ""
    return f"{kind} to {to} port {port}{name}"


def _name(query: bytes) -> str:
    parts, at = [], 12
    while at < len(query) and query[at]:
        parts.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    return ".".join(parts)


def main() -> None:
    # Without Ethernet headers packets look alike on every kind of card.
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL)) as card:
        card.bind((_CARD, _ETH_P_ALL))
        print("ready", flush=True)
        while True:
            line = _describe(card.recv(65_536))
            if line is not None:
                print(line, flush=True)


if __name__ == "__main__":
    main()
