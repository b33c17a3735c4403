"""Packets come out in the order they were sent, and none is lost but on the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiortc import rtcrtpreceiver
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from asr_core.audio.packets import (
    BURST_S,
    FASTEST,
    WAITS_FOR,
    PacketOrder,
    receive_packets_in_order,
)

SOUND = bytes([0b_01001_0_00, 1, 2, 3])
"""Twenty milliseconds of it."""


class Clock:
    """Goes on by as much as a packet lasts, each time that it is read."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 0.02
        return self.now


def _heard(
    order: PacketOrder, numbers: list[int], data: Callable[[int], bytes] = lambda _: SOUND
) -> list[int]:
    """The numbers of the packets that come out."""
    out = []
    for number in numbers:
        packet = RtpPacket(sequence_number=number % 65536, timestamp=number)
        packet._data = data(number)  # type: ignore[attr-defined]
        _, frame = order.add(packet)
        if frame is not None:
            out.append(frame.timestamp)
    return out


def test_in_order_nothing_waits() -> None:
    assert _heard(PacketOrder(), [7, 8, 9]) == [7, 8, 9]


def test_a_lost_packet_costs_no_other() -> None:
    sent = [n for n in range(200) if n % 20 != 10]
    heard = _heard(PacketOrder(Clock()), sent)
    assert heard == sent[: len(heard)]
    assert len(sent) - len(heard) <= WAITS_FOR


def test_a_packet_that_comes_too_late_is_left_out() -> None:
    assert _heard(PacketOrder(Clock()), [0, 2, 3, 4, 5, 6, 1, 7]) == [0, 2, 3, 4]


@pytest.mark.parametrize("anew", [30_000, 300])
def test_a_source_that_begins_anew_is_heard(anew: int) -> None:
    assert _heard(PacketOrder(Clock()), [500, 501, anew, anew + 1])[-1] <= anew + 1
    heard = _heard(PacketOrder(Clock()), [500, 501, *range(anew, anew + 20)])
    assert heard[:2] == [500, 501]
    assert heard[2:] == list(range(anew, anew + len(heard) - 2)) and len(heard) > 15


@given(st.integers(0, 70_000), st.lists(st.integers(0, 3), min_size=1, max_size=80), st.data())
def test_whatever_overtakes_comes_out_in_order(
    first: int, delays: list[int], data: st.DataObject
) -> None:
    """Up to three places late, at any number, with losses: those lost are all that is missing."""
    lost = data.draw(st.sets(st.integers(1, len(delays)), max_size=len(delays) // 5))
    sent = [(i + delay, i) for i, delay in enumerate(delays)]
    arrived = [i for _, i in sorted(sent) if i not in lost]
    first += arrived[0]
    numbers = [first + i - arrived[0] for i in arrived if i >= arrived[0]]
    heard = _heard(PacketOrder(Clock()), numbers)
    assert heard == sorted(numbers)[: len(heard)]
    assert len(numbers) - len(heard) <= WAITS_FOR


@pytest.mark.parametrize("odd", [b"", b"\xff", b"\x03", b"\x03\x00", SOUND + bytes(1_300)])
def test_what_cannot_be_decoded_is_left_out_and_nothing_waits_for_it(odd: bytes) -> None:
    heard = _heard(PacketOrder(Clock()), list(range(9)), lambda n: odd if n % 4 == 1 else SOUND)
    assert heard == [0, 2, 3, 4, 6, 7, 8]


def test_no_more_sound_goes_on_than_time_passes() -> None:
    slow = [0.0]

    def two_milliseconds() -> float:
        slow[0] += 0.002
        return slow[0]

    heard_s = 0.02 * len(_heard(PacketOrder(two_milliseconds), list(range(20_000))))
    assert heard_s == pytest.approx(BURST_S + FASTEST * 40, abs=0.1)


def test_long_packets_count_by_their_sound() -> None:
    long = bytes([0b_01011_0_11, 2, 1, 2])  # 120 ms in one packet, fifty of them a second
    heard_s = 0.12 * len(_heard(PacketOrder(Clock()), list(range(2_000)), lambda _: long))
    assert heard_s == pytest.approx(BURST_S + FASTEST * 40, abs=0.2)


def test_aiortc_uses_it_for_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtcrtpreceiver, "JitterBuffer", rtcrtpreceiver.JitterBuffer)
    receive_packets_in_order()
    audio = rtcrtpreceiver.RTCRtpReceiver("audio", _Transport())
    assert isinstance(audio._RTCRtpReceiver__jitter_buffer, PacketOrder)
    video = rtcrtpreceiver.RTCRtpReceiver("video", _Transport())
    assert not isinstance(video._RTCRtpReceiver__jitter_buffer, PacketOrder)


class _Transport:
    """Stands for one that is open: making a real one needs a peer."""

    state = "connected"
