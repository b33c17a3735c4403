"""Replaceable jitter buffer and packet filter of receivers in aiortc (1.16).

- The jitter buffer of audio cannot be chosen.
- Statistics are kept for every source that a packet names, without a bound, and each packet costs
  the event loop a tenth of a millisecond.
- A packet with a malformed header ends the transport. A jitter too large for its field in a report
  ends the task that sends reports, and closing then waits for it for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from aiortc import rtcrtpreceiver
from aiortc.codecs import CODECS
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import RtpPacket

__all__ = ["PacketVerdict", "install_audio_jitter_buffer", "install_packet_filter"]

logger = logging.getLogger(__name__)


class PacketVerdict(Enum):
    """Decision about a packet."""

    ACCEPT = auto()
    DROP = auto()
    DISCONNECT = auto()


Judge = Callable[[int, float], PacketVerdict]
"""Decides about a packet by its source and its time of arrival in seconds, monotonic."""


def install_audio_jitter_buffer(make_buffer: Callable[[], Any]) -> None:
    """Make aiortc use another jitter buffer for audio of all later connections.

    Also offer no codec but Opus, which all browsers have (RFC 7874): a sender that alternates
    codecs makes a decoder per packet, with time stamps of different clocks.

    Args:
        make_buffer: returns a buffer for one receiver, with the method ``add`` of aiortc's.
    """

    def make(capacity: int, prefetch: int = 0, is_video: bool = False) -> Any:
        return JitterBuffer(capacity, prefetch, is_video) if is_video else make_buffer()

    vars(rtcrtpreceiver)["JitterBuffer"] = make
    CODECS["audio"][:] = [codec for codec in CODECS["audio"] if codec.name.lower() == "opus"]


def install_packet_filter(make_judge: Callable[[], Judge]) -> None:
    """Make aiortc ask a judge about each packet, and survive malformed ones.

    Args:
        make_judge: returns the judge for one receiver.
    """

    async def handle_packet(receiver: Any, packet: RtpPacket, arrival_time_ms: int) -> None:
        state = vars(receiver)
        if "packet_judge" not in state:
            state["packet_judge"] = make_judge()
        verdict = state["packet_judge"](packet.ssrc, time.monotonic())
        if verdict is PacketVerdict.ACCEPT:
            await _original_handle_packet(receiver, packet, arrival_time_ms)
        elif verdict is PacketVerdict.DISCONNECT and "stopping" not in state:
            # Not awaited: the transport waits for the task that brought this packet.
            state["stopping"] = asyncio.ensure_future(receiver.transport.stop())

    receiver: Any = RTCRtpReceiver
    transport: Any = RTCDtlsTransport
    receiver._handle_rtp_packet = handle_packet
    receiver._run_rtcp = _run_rtcp_and_exit
    transport._handle_rtp_data = _handle_valid


_original_handle_packet: Any = RTCRtpReceiver._handle_rtp_packet
_original_handle_data: Any = RTCDtlsTransport._handle_rtp_data
_original_run_rtcp: Any = RTCRtpReceiver._run_rtcp


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
