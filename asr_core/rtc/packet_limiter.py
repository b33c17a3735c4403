"""Limits on the packets of a connection, whatever they contain.

aiortc keeps statistics for every source that a packet names, without a bound, and each packet
costs the event loop a tenth of a millisecond. A browser sends 50 a second from one source; a
sender of many times as many is disconnected.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
import time
from enum import Enum, auto
from typing import Any

from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from asr_core.ops.rate_limit import TokenBucket

__all__ = ["PacketLimiter", "PacketVerdict", "limit_incoming_packets"]

logger = logging.getLogger(__name__)

PACKETS_PER_S = 200.0
BURST_PACKETS = 2_000.0
"""Ten seconds of the shortest packets of browsers, for a network that recovers."""

MAX_REFUSED_PACKETS = 2_000
"""Dropped packets after which the sender is disconnected."""

MAX_SOURCES = 8
"""Sources of one connection: a change of microphone may bring a new one."""


class PacketVerdict(Enum):
    """Decision about a packet."""

    ACCEPT = auto()
    DROP = auto()
    DISCONNECT = auto()


class PacketLimiter:
    """Rate limit of one receiver's packets, as a state machine; time is passed in."""

    def __init__(self) -> None:
        self._packets = TokenBucket(PACKETS_PER_S, BURST_PACKETS)
        self._sources: set[int] = set()
        self._n_refused = 0

    def judge(self, source: int, now: float) -> PacketVerdict:
        """Return the decision about a packet of ``source`` that arrives at ``now``, in seconds."""
        self._sources.add(source)
        if len(self._sources) > MAX_SOURCES:
            self._sources.discard(source)
            return PacketVerdict.DISCONNECT
        if self._packets.try_acquire(now):
            return PacketVerdict.ACCEPT
        self._n_refused += 1
        return (
            PacketVerdict.DISCONNECT
            if self._n_refused > MAX_REFUSED_PACKETS
            else PacketVerdict.DROP
        )


_original_handle_packet: Any = RTCRtpReceiver._handle_rtp_packet
_original_handle_data: Any = RTCDtlsTransport._handle_rtp_data
_original_run_rtcp: Any = RTCRtpReceiver._run_rtcp


async def _handle_limited(receiver: Any, packet: RtpPacket, arrival_time_ms: int) -> None:
    """Replace ``RTCRtpReceiver._handle_rtp_packet``: drop packets above the limit."""
    limiter = vars(receiver).setdefault("_packet_limiter", PacketLimiter())
    verdict = limiter.judge(packet.ssrc, time.monotonic())
    if verdict is PacketVerdict.ACCEPT:
        await _original_handle_packet(receiver, packet, arrival_time_ms)
    elif verdict is PacketVerdict.DISCONNECT and "_stopping" not in vars(receiver):
        # Not awaited: the transport waits for the task that brought this packet.
        receiver._stopping = asyncio.ensure_future(receiver.transport.stop())


async def _handle_valid(transport: Any, data: bytes, arrival_time_ms: int) -> None:
    """Replace ``RTCDtlsTransport._handle_rtp_data``, which ends at a malformed header."""
    with contextlib.suppress(struct.error):
        await _original_handle_data(transport, data, arrival_time_ms)


async def _run_rtcp_and_exit(receiver: Any) -> None:
    """Replace ``RTCRtpReceiver._run_rtcp``, whose failure makes closing wait for ever.

    It fails where time stamps make the jitter too large for its field in a report.
    """
    try:
        await _original_run_rtcp(receiver)
    except Exception as error:
        logger.warning("No further reports go to a sender: %r", error)
    finally:
        receiver._RTCRtpReceiver__rtcp_exited.set()


def limit_incoming_packets() -> None:
    """Make aiortc 1.16 limit packets with :class:`PacketLimiter`, and survive malformed ones."""
    receiver: Any = RTCRtpReceiver
    transport: Any = RTCDtlsTransport
    receiver._handle_rtp_packet = _handle_limited
    receiver._run_rtcp = _run_rtcp_and_exit
    transport._handle_rtp_data = _handle_valid
