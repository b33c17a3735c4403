"""How much of a file could not be decoded."""

from __future__ import annotations

import av

__all__ = ["Damage"]

_LOOSE = frozenset({"aac", "ac3", "eac3", "mp3", "mpeg", "mpegts"})
"""Frames without a frame around them: what stands between two recordings that were put
together, and the tags at their ends, look like a broken one. Broadcasts begin with half a one."""

_BETWEEN_S = 0.25
"""More than stands between two recordings of that kind."""

_SHORTEST_S = 0.02  # of a packet that does not tell its length

_MOST = 1000  # broken packets; then it is no use


class Damage:
    """Runs of packets that cannot be decoded.

    Attributes:
        is_inside: there was sound behind one.
    """

    def __init__(self, format_name: str) -> None:
        self._is_loose = format_name in _LOOSE
        self.is_inside = False
        self._has_begun = self._has_ended = False
        self._run_s = 0.0
        self._n = 0

    def read(self) -> None:
        """Take note of a frame that was decoded."""
        self.is_inside |= self._counts and self._has_begun
        self._has_begun, self._run_s = True, 0.0

    def lost(self, packet: av.Packet[av.AudioStream] | None = None) -> bool:
        """Take note of a packet that was not; False if there is no use in going on."""
        length_s = float(packet.duration * packet.time_base) if packet and packet.duration else 0.0
        self._run_s += max(length_s, _SHORTEST_S)
        self._n += 1
        self._has_ended = self._n > _MOST
        return not self._has_ended

    def ended(self) -> None:
        """Take note that nothing more can be read."""
        self._has_ended = True

    @property
    def is_at_end(self) -> bool:
        """Whether the last of the file could not be read."""
        return self._has_ended or self._counts

    @property
    def _counts(self) -> bool:
        return self._run_s > (_BETWEEN_S if self._is_loose else 0.0)
