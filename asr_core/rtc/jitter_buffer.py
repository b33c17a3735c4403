"""Audio jitter buffer: WebRTC packets put back into the order they were sent in.

aiortc's own buffer discards one good packet for each lost one and delays every packet by 80 ms;
over a network that lost a twentieth, a fifth of the audio was gone.

Only valid Opus reaches the decoder, and no faster than real time. An empty packet, which browsers
send to keep a connection open, would end the decoder's stream and all audio after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket

from asr_core.ops.rate_limit import TokenBucket
from asr_core.rtc.opus import opus_duration_s

__all__ = ["AudioJitterBuffer"]

REORDER_WINDOW = 4
"""Later packets after which a missing one is given up: 80 ms."""

_N_SEQUENCE_NUMBERS = 1 << 16
_RESTART_DISTANCE = 100  # further back is a restarted source, not a late packet

MAX_SPEED = 1.05
"""Seconds of audio accepted per second; clocks differ by far less."""

BURST_S = 10.0
"""Seconds of audio accepted at once, when a stalled network recovers."""


class AudioJitterBuffer:
    """Reordering of one receiver's Opus packets, as a state machine.

    Nothing is delayed while packets come in order. A packet that overtakes others waits for
    them, at most ``REORDER_WINDOW`` at a time. Packets that are invalid or faster than real time
    are counted as received and dropped.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._next: int | None = None  # sequence number of the next frame
        self._held: dict[int, JitterFrame | None] = {}
        self._clock = clock
        self._sound = TokenBucket(MAX_SPEED, BURST_S)

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Add a packet; return False, as only video needs it, and the next frame if it is ready."""
        sequence_number = packet.sequence_number
        if (
            self._next is None
            or _RESTART_DISTANCE <= self._lateness(sequence_number) <= _N_SEQUENCE_NUMBERS // 2
        ):
            self._next, self._held = sequence_number, {}
        if self._lateness(sequence_number) < _RESTART_DISTANCE and sequence_number != self._next:
            return False, None  # already given up
        self._held[sequence_number] = self._frame_of(packet)
        if self._next not in self._held and len(self._held) >= REORDER_WINDOW:
            self._next = min(
                self._held, key=lambda held: -self._lateness(held) % _N_SEQUENCE_NUMBERS
            )
        while self._next in self._held:
            first = self._held.pop(self._next)
            self._next = (self._next + 1) % _N_SEQUENCE_NUMBERS
            if first is not None:
                return False, first
        return False, None

    def _frame_of(self, packet: RtpPacket) -> JitterFrame | None:
        """Return the frame of a packet; None if it is invalid or faster than real time."""
        duration_s = opus_duration_s(packet.payload)
        if duration_s is None or not self._sound.try_acquire(self._clock(), duration_s):
            return None
        return JitterFrame(data=packet.payload, timestamp=packet.timestamp)

    def _lateness(self, sequence_number: int) -> int:
        """Return the packets by which a number is late; nearly 65,536 if it is early."""
        assert self._next is not None
        return (self._next - sequence_number) % _N_SEQUENCE_NUMBERS
