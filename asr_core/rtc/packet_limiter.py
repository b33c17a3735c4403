"""Limits on the packets of a connection, whatever they contain.

aiortc keeps statistics for every source that a packet names, without a bound, and each packet
costs the event loop a tenth of a millisecond. A browser sends 50 a second from one source; a
sender of many times as many is disconnected.
"""

from __future__ import annotations

from asr_core.ops.rate_limit import TokenBucket
from asr_core.workarounds.aiortc_receiver import PacketVerdict

__all__ = ["PacketLimiter"]

PACKETS_PER_S = 200.0
BURST_PACKETS = 2_000.0
"""Ten seconds of the shortest packets of browsers, for a network that recovers."""

MAX_REFUSED_PACKETS = 2_000
"""Dropped packets after which the sender is disconnected."""

MAX_SOURCES = 8
"""Sources of one connection: a change of microphone may bring a new one."""


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
