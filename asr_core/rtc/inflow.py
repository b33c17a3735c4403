"""How many packets a connection may bring, whoever sends them and whatever is in them.

aiortc keeps figures for each source that a packet names, without an end, and each packet
costs the event loop a tenth of a millisecond, wanted or not. A browser sends fifty a second,
from one source; who sends many times that is cut off.
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

from asr_core.rate_limit import TokenBucket

__all__ = ["Inflow", "Verdict", "bound_what_comes_in"]

logger = logging.getLogger(__name__)

PACKETS_PER_S = 200.0
BURST_PACKETS = 2_000.0
"""Ten seconds of the shortest packets that browsers send, when a network goes on again."""

MOST_REFUSED = 2_000
"""After so many too many, no more are read."""

MOST_SOURCES = 8
"""A microphone that is changed may come from another source."""


class Verdict(Enum):
    """What to do with a packet."""

    TAKE = auto()
    DROP = auto()
    CUT_OFF = auto()


class Inflow:
    """A state machine, for one receiver; time is passed in."""

    def __init__(self) -> None:
        self._packets = TokenBucket(PACKETS_PER_S, BURST_PACKETS)
        self._sources: set[int] = set()
        self._n_refused = 0

    def judge(self, source: int, now: float) -> Verdict:
        """Say what to do with a packet of ``source`` that comes at ``now``, in seconds."""
        self._sources.add(source)
        if len(self._sources) > MOST_SOURCES:
            self._sources.discard(source)
            return Verdict.CUT_OFF
        if self._packets.take(now):
            return Verdict.TAKE
        self._n_refused += 1
        return Verdict.CUT_OFF if self._n_refused > MOST_REFUSED else Verdict.DROP


_handle_packet: Any = RTCRtpReceiver._handle_rtp_packet
_handle_data: Any = RTCDtlsTransport._handle_rtp_data
_report: Any = RTCRtpReceiver._run_rtcp


async def _handle_some(receiver: Any, packet: RtpPacket, arrival_time_ms: int) -> None:
    """In the place of ``RTCRtpReceiver._handle_rtp_packet``."""
    inflow = vars(receiver).setdefault("_inflow", Inflow())
    verdict = inflow.judge(packet.ssrc, time.monotonic())
    if verdict is Verdict.TAKE:
        await _handle_packet(receiver, packet, arrival_time_ms)
    elif verdict is Verdict.CUT_OFF and "_ending" not in vars(receiver):
        # Not awaited: the transport waits for the task that brought this packet.
        receiver._ending = asyncio.ensure_future(receiver.transport.stop())


async def _handle_whole(transport: Any, data: bytes, arrival_time_ms: int) -> None:
    """In the place of ``RTCDtlsTransport._handle_rtp_data``, which ends at an odd header."""
    with contextlib.suppress(struct.error):
        await _handle_data(transport, data, arrival_time_ms)


async def _report_or_end(receiver: Any) -> None:
    """In the place of ``RTCRtpReceiver._run_rtcp``: closing waits for its end for ever.

    It fails without one where time stamps make the jitter larger than its field in a report.
    """
    try:
        await _report(receiver)
    except Exception as error:
        logger.warning("No further reports go to a sender: %r", error)
    finally:
        receiver._RTCRtpReceiver__rtcp_exited.set()


def bound_what_comes_in() -> None:
    """Have aiortc 1.16 judge packets by :class:`Inflow` first, and outlive odd ones."""
    receiver: Any = RTCRtpReceiver
    transport: Any = RTCDtlsTransport
    receiver._handle_rtp_packet = _handle_some
    receiver._run_rtcp = _report_or_end
    transport._handle_rtp_data = _handle_whole
