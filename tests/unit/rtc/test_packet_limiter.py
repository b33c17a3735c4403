"""A connection may bring as much as a browser sends, and no more."""

from __future__ import annotations

import asyncio

import pytest
from aiortc.rtcrtpreceiver import RTCRtpReceiver, StreamStatistics
from aiortc.rtp import RtpPacket

from asr_core.rtc.packet_limiter import (
    BURST_PACKETS,
    MAX_REFUSED_PACKETS,
    PACKETS_PER_S,
    PacketLimiter,
)
from asr_core.workarounds.aiortc_receiver import PacketVerdict, install_packet_filter
from tests.support.loops import run


def test_a_browser_is_received_for_hours_and_after_a_network_outage() -> None:
    inflow = PacketLimiter()
    now = 0.0
    for _ in range(200_000):
        now += 0.02
        assert inflow.judge(7, now) is PacketVerdict.ACCEPT
    now += 8.0
    for _ in range(400):
        assert inflow.judge(7, now) is PacketVerdict.ACCEPT


def test_a_client_that_sends_too_much_is_throttled_and_then_cut_off() -> None:
    inflow = PacketLimiter()
    verdicts = [inflow.judge(7, n / 1_000) for n in range(6_000)]
    n_taken = verdicts.index(PacketVerdict.DISCONNECT) - MAX_REFUSED_PACKETS
    assert verdicts[:2_000] == [PacketVerdict.ACCEPT] * 2_000
    assert n_taken <= BURST_PACKETS + PACKETS_PER_S * 6
    assert PacketVerdict.ACCEPT in verdicts[2_600:4_000]
    assert verdicts[-1] is PacketVerdict.DISCONNECT


def test_too_many_sources_are_cut_off() -> None:
    inflow = PacketLimiter()
    verdicts = [inflow.judge(source, source / 50) for source in range(100)]
    assert verdicts[:8] == [PacketVerdict.ACCEPT] * 8
    assert verdicts[8:] == [PacketVerdict.DISCONNECT] * 92
    assert inflow.judge(3, 3.0) is PacketVerdict.ACCEPT


def test_time_stamps_that_overflow_a_report_do_not_keep_the_connection_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Time stamps jump over their whole range, so the jitter exceeds its field."""
    now = 0.0
    monkeypatch.setattr("aiortc.rtcrtpreceiver.time.time", lambda: now)
    statistics = StreamStatistics(48_000)
    for number in range(500):
        stamp = (1 << 32) - 1 if number % 2 else 0
        now += 0.0 if number % 2 else 1.0
        statistics.add(RtpPacket(sequence_number=number, timestamp=stamp))
    assert statistics.jitter > (1 << 32) - 1
    install_packet_filter(lambda: PacketLimiter().judge)

    async def report() -> bool:
        receiver = RTCRtpReceiver("audio", _Transport())  # type: ignore[arg-type]
        receiver._RTCRtpReceiver__remote_streams[1] = statistics  # type: ignore[attr-defined]
        receiver._RTCRtpReceiver__rtcp_ssrc = 2  # type: ignore[attr-defined]
        await asyncio.wait_for(receiver._run_rtcp(), 5)
        return receiver._RTCRtpReceiver__rtcp_exited.is_set()  # type: ignore[attr-defined]

    assert run(report())


class _Transport:
    """A stand-in for an open transport; a real one needs a peer."""

    state = "connected"
