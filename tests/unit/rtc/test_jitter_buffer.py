"""Packets come out in the order they were sent, and none is lost except in the network."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiortc import rtcrtpreceiver
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from asr_core.rtc.jitter_buffer import (
    BURST_S,
    MAX_SPEED,
    REORDER_WINDOW,
    AudioJitterBuffer,
)
from asr_core.workarounds.aiortc_receiver import install_audio_jitter_buffer

SOUND = bytes([0b_01001_0_00, 1, 2, 3])
"""A packet of twenty milliseconds."""


class Clock:
    """A fake clock that advances by one packet each time it is read."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 0.02
        return self.now


def _received(
    order: AudioJitterBuffer, numbers: list[int], data: Callable[[int], bytes] = lambda _: SOUND
) -> list[int]:
    """Return the numbers of the packets that come out."""
    out = []
    for number in numbers:
        packet = RtpPacket(sequence_number=number % 65536, timestamp=number, payload=data(number))
        _, frame = order.add(packet)
        if frame is not None:
            out.append(frame.timestamp)
    return out


def test_packets_in_order_are_not_delayed() -> None:
    assert _received(AudioJitterBuffer(), [7, 8, 9]) == [7, 8, 9]


def test_a_lost_packet_loses_no_other() -> None:
    sent = [n for n in range(200) if n % 20 != 10]
    received = _received(AudioJitterBuffer(Clock()), sent)
    assert received == sent[: len(received)]
    assert len(sent) - len(received) <= REORDER_WINDOW


def test_a_packet_that_arrives_too_late_is_dropped() -> None:
    assert _received(AudioJitterBuffer(Clock()), [0, 2, 3, 4, 5, 6, 1, 7]) == [0, 2, 3, 4]


@pytest.mark.parametrize("anew", [30_000, 300])
def test_a_source_that_restarts_is_played(anew: int) -> None:
    assert _received(AudioJitterBuffer(Clock()), [500, 501, anew, anew + 1])[-1] <= anew + 1
    received = _received(AudioJitterBuffer(Clock()), [500, 501, *range(anew, anew + 20)])
    assert received[:2] == [500, 501]
    assert received[2:] == list(range(anew, anew + len(received) - 2)) and len(received) > 15


@given(st.integers(0, 70_000), st.lists(st.integers(0, 3), min_size=1, max_size=80), st.data())
def test_reordered_packets_come_out_in_order(
    first: int, delays: list[int], data: st.DataObject
) -> None:
    """Packets up to three places late, from any number: only the lost ones are missing."""
    lost = data.draw(st.sets(st.integers(1, len(delays)), max_size=len(delays) // 5))
    sent = [(i + delay, i) for i, delay in enumerate(delays)]
    arrived = [i for _, i in sorted(sent) if i not in lost]
    first += arrived[0]
    numbers = [first + i - arrived[0] for i in arrived if i >= arrived[0]]
    received = _received(AudioJitterBuffer(Clock()), numbers)
    assert received == sorted(numbers)[: len(received)]
    assert len(numbers) - len(received) <= REORDER_WINDOW


@pytest.mark.parametrize("odd", [b"", b"\xff", b"\x03", b"\x03\x00", SOUND + bytes(1_300)])
def test_undecodable_packets_are_dropped_without_delay(odd: bytes) -> None:
    received = _received(
        AudioJitterBuffer(Clock()), list(range(9)), lambda n: odd if n % 4 == 1 else SOUND
    )
    assert received == [0, 2, 3, 4, 6, 7, 8]


def test_no_more_audio_comes_out_than_time_passes() -> None:
    slow = [0.0]

    def two_milliseconds() -> float:
        slow[0] += 0.002
        return slow[0]

    heard_s = 0.02 * len(_received(AudioJitterBuffer(two_milliseconds), list(range(20_000))))
    assert heard_s == pytest.approx(BURST_S + MAX_SPEED * 40, abs=0.1)


def test_long_packets_count_by_their_duration() -> None:
    long = bytes([0b_01011_0_11, 2, 1, 2])  # 120 ms in one packet, fifty of them a second
    heard_s = 0.12 * len(_received(AudioJitterBuffer(Clock()), list(range(2_000)), lambda _: long))
    assert heard_s == pytest.approx(BURST_S + MAX_SPEED * 40, abs=0.2)


def test_aiortc_uses_the_jitter_buffer_for_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtcrtpreceiver, "JitterBuffer", rtcrtpreceiver.JitterBuffer)
    install_audio_jitter_buffer(AudioJitterBuffer)
    audio = rtcrtpreceiver.RTCRtpReceiver("audio", _Transport())
    assert isinstance(audio._RTCRtpReceiver__jitter_buffer, AudioJitterBuffer)
    video = rtcrtpreceiver.RTCRtpReceiver("video", _Transport())
    assert not isinstance(video._RTCRtpReceiver__jitter_buffer, AudioJitterBuffer)


class _Transport:
    """A stand-in for an open transport; a real one needs a peer."""

    state = "connected"
