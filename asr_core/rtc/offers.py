"""Validation of a browser's offer: one audio line, few candidates, permitted addresses.

An offer is untrusted text. aiortc spends seconds of the event loop on one with thousands of lines
and opens whatever it asks for, so it is checked here first, size before content.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice, pairwise

from asr_core.errors import AsrError
from asr_core.settings import read_settings

__all__ = [
    "MAX_CANDIDATES",
    "OfferError",
    "PeerAddressPolicy",
    "filter_candidates",
    "validate_offer",
]

MAX_OFFER_BYTES = 20_000
"""A browser's offer of one audio line has 2,000 to 4,000."""

MAX_LINES = 400
MAX_LINE_BYTES = 1_000

MAX_CANDIDATES = 50
"""Candidates of a connection, in the offer and after it; a laptop with many networks has ten."""

MAX_CANDIDATE_BYTES = 400
_MAX_ENTRIES_READ = 4 * MAX_CANDIDATES

_ATTRIBUTES = re.compile(r"a=(sendonly|sendrecv|recvonly|inactive)")
_UFRAG = re.compile(r"a=ice-ufrag:[A-Za-z0-9+/]{4,32}")
_PASSWORD = re.compile(r"a=ice-pwd:[A-Za-z0-9+/]{22,64}")
"""Both are sent to addresses that the offer names, so they leave no room for a payload."""

_OPUS = re.compile(r"a=rtpmap:\d{1,3} opus/48000/2", re.IGNORECASE)
_AUDIO = re.compile(r"m=audio \d{1,5} UDP/TLS/RTP/SAVPF( \d{1,3}){1,40}")

_CANDIDATE = re.compile(
    r"candidate:[A-Za-z0-9+/]{1,32} 1 udp (?P<priority>\d{1,10}) (?P<ip>[0-9A-Fa-f.:]{2,45}) "
    r"(?P<port>\d{1,5}) typ (host|srflx|prflx|relay)(?P<rest>( [\w.:+/-]{1,256}){0,20})",
    re.ASCII | re.IGNORECASE,
)
"""Component 1 over UDP with a numeric address. Names in .local are dropped: resolving them would
ask the whole network, and browsers with microphone permission send numbers. TCP is not supported."""

_MIN_PORT = 1024
"""Browsers use higher ports; services listen below."""

_CLOUD_METADATA = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"))
)
"""Metadata services of clouds, besides 169.254.169.254."""

_CARRIER_GRADE_NAT = ipaddress.ip_network("100.64.0.0/10")
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_GLOBAL_6 = ipaddress.ip_network("2000::/3")
_UNIQUE_LOCAL_6 = ipaddress.ip_network("fc00::/7")
_TUNNELS_6 = tuple(map(ipaddress.ip_network, ("2001::/32", "2002::/16")))
"""Teredo and 6to4, which hide an IPv4 address."""


class OfferError(AsrError):
    """Refused connection offer of a browser."""


@dataclass(frozen=True)
class PeerAddressPolicy:
    """Addresses to which the server may send packets to reach a browser.

    Attributes:
        private: private networks are permitted, for laptops and company networks.
    """

    private: bool = True

    @classmethod
    def from_settings(cls) -> PeerAddressPolicy:
        """Return the policy that ``ASR_PRIVATE_PEERS`` sets."""
        return cls(read_settings().private_peers)

    def allows(self, text: str) -> bool:
        """Return True if ``text`` is an address that a browser may have."""
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
            or address in _CLOUD_METADATA
        ):
            return False
        if isinstance(address, ipaddress.IPv6Address):
            if address in _UNIQUE_LOCAL_6:
                return self.private
            return address in _GLOBAL_6 and not any(address in net for net in _TUNNELS_6)
        if address.is_reserved or address in _THIS_NETWORK:
            return False
        return self.private or not (address.is_private or address in _CARRIER_GRADE_NAT)


def validate_offer(sdp: object, kind: object, allowed: PeerAddressPolicy) -> str:
    """Return the offer without the candidates that are not permitted.

    Args:
        sdp: anything received as a session description (RFC 8866).
        kind: anything received as the type ``"offer"``.
        allowed: addresses that candidates may have.

    Raises:
        OfferError: it is not a browser's offer of one audio line.
    """
    if kind != "offer" or not isinstance(sdp, str):
        raise OfferError(_refusal("is none"))
    if len(sdp) > MAX_OFFER_BYTES:
        raise OfferError(_refusal("is too long"))
    if not sdp.isascii() or any(not (mark.isprintable() or mark in "\r\n") for mark in sdp):
        raise OfferError(_refusal("has characters that no browser sends"))
    lines = [line for line in re.split(r"\r\n|\r|\n", sdp) if line]
    if len(lines) > MAX_LINES or max(map(len, lines), default=0) > MAX_LINE_BYTES:
        raise OfferError(_refusal("is too long"))
    _check_media(lines)
    candidates = [line for line in lines if line.startswith("a=candidate")]
    if len(candidates) > MAX_CANDIDATES:
        raise OfferError(_refusal("names too many addresses"))
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
        raise OfferError(_refusal("asks for other things than one microphone"))
    directions = {match[1] for line in lines if (match := _ATTRIBUTES.fullmatch(line))}
    if directions - {"sendonly", "sendrecv"}:
        raise OfferError(_refusal("sends no sound"))
    if not any(_OPUS.fullmatch(line) for line in lines):
        raise OfferError(_refusal("has no sound in Opus"))
    for prefix, form in (("a=ice-ufrag", _UFRAG), ("a=ice-pwd", _PASSWORD)):
        names = [line for line in lines if line.startswith(prefix)]
        if not 1 <= len(names) <= 2 or not all(form.fullmatch(line) for line in names):
            raise OfferError(_refusal("has odd names for the connection"))


def filter_candidates(
    candidates: object, allowed: PeerAddressPolicy, n_before: int = 0
) -> dict[str, dict[str, object]]:
    """Return the permitted candidates, up to the limit of the connection.

    Args:
        candidates: anything received as a mapping of names to candidates.
        allowed: addresses that they may have.
        n_before: candidates that the connection already has.
    """
    kept: dict[str, dict[str, object]] = {}
    if not isinstance(candidates, Mapping):
        return kept
    for name, given in islice(candidates.items(), _MAX_ENTRIES_READ):
        if n_before + len(kept) >= MAX_CANDIDATES:
            break
        if not isinstance(given, Mapping):
            continue
        text, index = given.get("candidate"), given.get("sdpMLineIndex")
        if isinstance(text, str) and index in (0, None) and _is_candidate(text, allowed):
            kept[name] = {"candidate": text, "sdpMid": None, "sdpMLineIndex": 0}
    return kept


def _is_candidate(text: str, allowed: PeerAddressPolicy) -> bool:
    if len(text) > MAX_CANDIDATE_BYTES:
        return False
    match = _CANDIDATE.fullmatch(text)
    if match is None or not _MIN_PORT <= int(match["port"]) <= 65_535:
        return False
    rest = match["rest"].split()
    ports = [after for before, after in pairwise(rest) if before == "rport"]
    if not all(port.isdecimal() and len(port) <= 5 for port in ports):
        return False
    return int(match["priority"]) < 1 << 32 and allowed.allows(match["ip"])


def _refusal(why: str) -> str:
    return (
        f"The connection for the sound was refused: the browser's offer {why}. "
        "Load the page again, or try another browser."
    )
