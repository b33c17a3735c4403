"""What a browser may offer for its sound: one audio line, few candidates, known addresses.

An offer is text of a stranger. The library behind takes seconds of the event loop for one
with thousands of lines and opens whatever it asks for, so what comes is checked here first,
by its size before its content. Pure functions.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice, pairwise

from asr_core.errors import AsrError

__all__ = ["MAX_CANDIDATES", "OfferError", "PeerAddresses", "checked_candidates", "checked_offer"]

MAX_OFFER_BYTES = 20_000
"""A browser's offer of one audio line has two to four thousand."""

MAX_LINES = 400
MAX_LINE_BYTES = 1_000

MAX_CANDIDATES = 50
"""In one connection, in the offer and after it; a laptop with many networks has ten."""

MAX_CANDIDATE_BYTES = 400
_MOST_LOOKED_AT = 4 * MAX_CANDIDATES

_ATTRIBUTES = re.compile(r"a=(sendonly|sendrecv|recvonly|inactive)")
_UFRAG = re.compile(r"a=ice-ufrag:[A-Za-z0-9+/]{4,32}")
_PASSWORD = re.compile(r"a=ice-pwd:[A-Za-z0-9+/]{22,64}")
"""Both go into packets to addresses that the offer names: no room for messages of others."""

_OPUS = re.compile(r"a=rtpmap:\d{1,3} opus/48000/2", re.IGNORECASE)
_AUDIO = re.compile(r"m=audio \d{1,5} UDP/TLS/RTP/SAVPF( \d{1,3}){1,40}")

_CANDIDATE = re.compile(
    r"candidate:[A-Za-z0-9+/]{1,32} 1 udp (?P<priority>\d{1,10}) (?P<ip>[0-9A-Fa-f.:]{2,45}) "
    r"(?P<port>\d{1,5}) typ (host|srflx|prflx|relay)(?P<rest>( [\w.:+/-]{1,256}){0,20})",
    re.ASCII | re.IGNORECASE,
)
"""Component 1 over UDP with a number for its address. Names in .local are left out: looking
them up would ask everybody in the network, and browsers that may use the microphone send
numbers. So is TCP, which the library does not speak."""

_LOWEST_PORT = 1024
"""Browsers take theirs from above; below it are services that somebody wants to reach."""

_METADATA = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"))
)
"""Where clouds answer their machines, beside 169.254.169.254."""

_SHARED = ipaddress.ip_network("100.64.0.0/10")
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_GLOBAL_6 = ipaddress.ip_network("2000::/3")
_UNIQUE_LOCAL_6 = ipaddress.ip_network("fc00::/7")
_TUNNELS_6 = tuple(map(ipaddress.ip_network, ("2001::/32", "2002::/16")))
"""Teredo and 6to4 lead to an IPv4 address that they hide."""


class OfferError(AsrError):
    """The browser's offer for a connection is refused."""


@dataclass(frozen=True)
class PeerAddresses:
    """Where the server may send packets to, looking for a browser.

    Attributes:
        private: also to addresses of private networks; laptops and companies need them.
    """

    private: bool = True

    @classmethod
    def read(cls, settings: Mapping[str, str] = os.environ) -> PeerAddresses:
        """From ``ASR_PRIVATE_PEERS``: ``no`` for a server that is reached from outside only.

        Anything else than ``yes`` or nothing counts as ``no``: the safe side.
        """
        return cls(settings.get("ASR_PRIVATE_PEERS", "").strip().lower() in ("", "yes"))

    def allow(self, text: str) -> bool:
        """Whether the address ``text`` is one that a browser may have."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if (
            address.is_loopback
            or address.is_link_local
            or address.is_multicast
            or address.is_unspecified
            or address in _METADATA
        ):
            return False
        if isinstance(address, ipaddress.IPv6Address):
            if address in _UNIQUE_LOCAL_6:
                return self.private
            return address in _GLOBAL_6 and not any(address in net for net in _TUNNELS_6)
        if address.is_reserved or address in _THIS_NETWORK:
            return False
        return self.private or not (address.is_private or address in _SHARED)


def checked_offer(sdp: object, kind: object, allowed: PeerAddresses) -> str:
    """Return the offer without the candidates that may not be tried.

    Args:
        sdp: what came in place of a session description (RFC 8866).
        kind: what came in place of ``"offer"``.

    Raises:
        OfferError: it is no offer of one audio line from a browser.
    """
    if kind != "offer" or not isinstance(sdp, str):
        raise OfferError(_refused("is none"))
    if len(sdp) > MAX_OFFER_BYTES:
        raise OfferError(_refused("is too long"))
    if not sdp.isascii() or any(not (mark.isprintable() or mark in "\r\n") for mark in sdp):
        raise OfferError(_refused("has characters that no browser sends"))
    lines = [line for line in re.split(r"\r\n|\r|\n", sdp) if line]
    if len(lines) > MAX_LINES or max(map(len, lines), default=0) > MAX_LINE_BYTES:
        raise OfferError(_refused("is too long"))
    _check_media(lines)
    candidates = [line for line in lines if line.startswith("a=candidate")]
    if len(candidates) > MAX_CANDIDATES:
        raise OfferError(_refused("names too many addresses"))
    kept = [
        line
        for line in lines
        if not line.startswith("a=candidate") or _is_candidate(line[2:], allowed)
    ]
    return "\r\n".join([*kept, ""])


def _check_media(lines: list[str]) -> None:
    """Raise OfferError unless there is one audio line that sends Opus, and nothing else."""
    media = [line for line in lines if line.startswith("m=")]
    if len(media) != 1 or not _AUDIO.fullmatch(media[0]):
        raise OfferError(_refused("asks for other things than one microphone"))
    directions = {found[1] for line in lines if (found := _ATTRIBUTES.fullmatch(line))}
    if directions - {"sendonly", "sendrecv"}:
        raise OfferError(_refused("sends no sound"))
    if not any(_OPUS.fullmatch(line) for line in lines):
        raise OfferError(_refused("has no sound in Opus"))
    for prefix, form in (("a=ice-ufrag", _UFRAG), ("a=ice-pwd", _PASSWORD)):
        names = [line for line in lines if line.startswith(prefix)]
        if not 1 <= len(names) <= 2 or not all(form.fullmatch(line) for line in names):
            raise OfferError(_refused("has odd names for the connection"))


def checked_candidates(
    candidates: object, allowed: PeerAddresses, n_before: int = 0
) -> dict[str, dict[str, object]]:
    """Return those candidates that may be tried, as many as are left.

    Args:
        candidates: what came in place of browsers' candidates by a name for each.
        n_before: how many the connection has already.
    """
    kept: dict[str, dict[str, object]] = {}
    if not isinstance(candidates, Mapping):
        return kept
    for name, given in islice(candidates.items(), _MOST_LOOKED_AT):
        if n_before + len(kept) >= MAX_CANDIDATES:
            break
        if not isinstance(given, Mapping):
            continue
        text, index = given.get("candidate"), given.get("sdpMLineIndex")
        if isinstance(text, str) and index in (0, None) and _is_candidate(text, allowed):
            kept[name] = {"candidate": text, "sdpMid": None, "sdpMLineIndex": 0}
    return kept


def _is_candidate(text: str, allowed: PeerAddresses) -> bool:
    if len(text) > MAX_CANDIDATE_BYTES:
        return False
    found = _CANDIDATE.fullmatch(text)
    if found is None or not _LOWEST_PORT <= int(found["port"]) <= 65_535:
        return False
    rest = found["rest"].split()
    ports = [after for before, after in pairwise(rest) if before == "rport"]
    if not all(port.isdecimal() and len(port) <= 5 for port in ports):
        return False
    return int(found["priority"]) < 1 << 32 and allowed.allow(found["ip"])


def _refused(why: str) -> str:
    return (
        f"The connection for the sound was refused: the browser's offer {why}. "
        "Load the page again, or try another browser."
    )
