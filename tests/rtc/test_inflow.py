"""A connection brings as much as a browser sends, and no more."""

from __future__ import annotations

import asyncio

import pytest
from aiortc.rtcrtpreceiver import RTCRtpReceiver, StreamStatistics
from aiortc.rtp import RtpPacket

from asr_core.rtc.inflow import (
    BURST_PACKETS,
    MOST_REFUSED,
    PACKETS_PER_S,
    Inflow,
    Verdict,
    bound_what_comes_in,
)
from tests.loops import run


def test_a_browser_is_heard_for_hours_after_a_network_that_stood_still() -> None:
    inflow = Inflow()
    now = 0.0
    for _ in range(200_000):
        now += 0.02
        assert inflow.judge(7, now) is Verdict.TAKE
    now += 8.0
    for _ in range(400):
        assert inflow.judge(7, now) is Verdict.TAKE


def test_who_sends_too_much_is_heard_in_part_and_then_cut_off() -> None:
    inflow = Inflow()
    verdicts = [inflow.judge(7, n / 1_000) for n in range(6_000)]
    n_taken = verdicts.index(Verdict.CUT_OFF) - MOST_REFUSED
    assert verdicts[:2_000] == [Verdict.TAKE] * 2_000
    assert n_taken <= BURST_PACKETS + PACKETS_PER_S * 6
    assert Verdict.TAKE in verdicts[2_600:4_000]
    assert verdicts[-1] is Verdict.CUT_OFF


def test_a_crowd_of_sources_is_cut_off() -> None:
    inflow = Inflow()
    verdicts = [inflow.judge(source, source / 50) for source in range(100)]
    assert verdicts[:8] == [Verdict.TAKE] * 8
    assert verdicts[8:] == [Verdict.CUT_OFF] * 92
    assert inflow.judge(3, 3.0) is Verdict.TAKE


def test_stamps_that_overflow_a_report_do_not_keep_the_connection_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Up and down by all that a stamp can hold: the jitter grows larger than its field."""
    now = 0.0
    monkeypatch.setattr("aiortc.rtcrtpreceiver.time.time", lambda: now)
    statistics = StreamStatistics(48_000)
    for number in range(500):
        stamp = (1 << 32) - 1 if number % 2 else 0
        now += 0.0 if number % 2 else 1.0
        statistics.add(RtpPacket(sequence_number=number, timestamp=stamp))
    assert statistics.jitter > (1 << 32) - 1
    bound_what_comes_in()

    async def report() -> bool:
        receiver = RTCRtpReceiver("audio", _Transport())  # type: ignore[arg-type]
        receiver._RTCRtpReceiver__remote_streams[1] = statistics  # type: ignore[attr-defined]
        receiver._RTCRtpReceiver__rtcp_ssrc = 2  # type: ignore[attr-defined]
        await asyncio.wait_for(receiver._run_rtcp(), 5)
        return receiver._RTCRtpReceiver__rtcp_exited.is_set()  # type: ignore[attr-defined]

    assert run(report())


class _Transport:
    """Stands for one that is open: making a real one needs a peer."""

    state = "connected"
