"""Audio packets as they come over WebRTC, in the order they were sent.

aiortc's own buffer takes one good packet away for each that is lost, and holds every
packet back for 80 ms; over a network that lost a twentieth, a fifth of the sound was gone.

Only what can be decoded goes on to the decoder, and no faster than it is spoken. An empty
packet, which browsers send to keep a connection open, counts as the end of the stream there:
all sound after it was lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from aiortc import rtcrtpreceiver
from aiortc.codecs import CODECS
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket

from asr_core.rate_limit import TokenBucket
from asr_core.rtc.opus import opus_duration_s

__all__ = ["PacketOrder", "receive_packets_in_order"]

WAITS_FOR = 4
"""A packet is given up when so many later ones are there: 80 ms."""

_NUMBERS = 1 << 16
_ANEW = 100  # further back than that is no late packet: the source began anew

FASTEST = 1.05
"""Seconds of sound taken for each that passes: clocks differ by far less."""

BURST_S = 10.0
"""Of sound at once, when a network that stood still goes on."""


class PacketOrder:
    """A state machine, for one receiver; packets of Opus go in, frames come out in order.

    Nothing is held back while packets come in order. A packet that overtakes others waits
    for them, and from then on as many are held; never more than ``WAITS_FOR``. What cannot
    be decoded, or comes faster than it is spoken, only counts as come.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._next: int | None = None  # number of the packet to give out
        self._held: dict[int, JitterFrame | None] = {}
        self._clock = clock
        self._sound = TokenBucket(FASTEST, BURST_S)

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet; the next frame, if there is one. The first of the two is for video."""
        number = packet.sequence_number
        if self._next is None or _ANEW <= self._behind(number) <= _NUMBERS // 2:
            self._next, self._held = number, {}
        if self._behind(number) < _ANEW and number != self._next:
            return False, None  # given up already
        self._held[number] = self._checked(packet)
        if self._next not in self._held and len(self._held) >= WAITS_FOR:
            self._next = min(self._held, key=lambda held: -self._behind(held) % _NUMBERS)
        while self._next in self._held:
            first = self._held.pop(self._next)
            self._next = (self._next + 1) % _NUMBERS
            if first is not None:
                return False, first
        return False, None

    def _checked(self, packet: RtpPacket) -> JitterFrame | None:
        """Return the frame to decode; None if there is none, or it comes too fast."""
        data = vars(packet)["_data"]
        duration_s = opus_duration_s(data)
        if duration_s is None or not self._sound.take(self._clock(), duration_s):
            return None
        return JitterFrame(data=data, timestamp=packet.timestamp)

    def _behind(self, number: int) -> int:
        """By how many the packet comes too late; nearly 65,536 for those that are early."""
        assert self._next is not None
        return (self._next - number) % _NUMBERS


def _buffer(capacity: int, prefetch: int = 0, is_video: bool = False) -> Any:
    return JitterBuffer(capacity, prefetch, is_video) if is_video else PacketOrder()


def receive_packets_in_order() -> None:
    """Have aiortc use :class:`PacketOrder` for the audio of connections made from now on.

    And speak Opus alone, as all browsers do (RFC 7874): a sender who changes between formats
    has a decoder made for each packet, and time stamps of different clocks.
    """
    vars(rtcrtpreceiver)["JitterBuffer"] = _buffer
    CODECS["audio"][:] = [codec for codec in CODECS["audio"] if codec.name.lower() == "opus"]
