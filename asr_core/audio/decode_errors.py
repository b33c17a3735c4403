"""Bookkeeping of the packets of a file that could not be decoded."""

from __future__ import annotations

import av

__all__ = ["DecodeErrors"]

_UNFRAMED_FORMATS = frozenset({"aac", "ac3", "eac3", "loas", "mp3", "mpeg", "mpegts"})
"""Formats without an outer frame: tags and the seam between two files that were joined look like
a broken packet, and a recorded broadcast starts in the middle of one."""

_TOLERATED_S = 0.25
"""Longest run of broken packets in these formats that is no damage."""

_MIN_PACKET_S = 0.02
"""Duration assumed of a packet that does not state one."""

_MAX_BROKEN_PACKETS = 1000
"""Broken packets after which decoding is given up."""


class DecodeErrors:
    """Runs of packets that could not be decoded.

    Attributes:
        is_inside: there was audio after such a run.
    """

    def __init__(self, format_name: str) -> None:
        self._tolerated_s = _TOLERATED_S if format_name in _UNFRAMED_FORMATS else 0.0
        self.is_inside = False
        self._has_decoded = self._has_given_up = False
        self._run_s = 0.0
        self._n_broken = 0

    def add_decoded(self) -> None:
        """Record a frame that was decoded."""
        self.is_inside |= self._is_damage and self._has_decoded
        self._has_decoded, self._run_s = True, 0.0

    def add_broken(self, packet: av.Packet[av.AudioStream] | None = None) -> bool:
        """Record a broken packet; return False if decoding should be given up."""
        packet_s = float(packet.duration * packet.time_base) if packet and packet.duration else 0.0
        self._run_s += max(packet_s, _MIN_PACKET_S)
        self._n_broken += 1
        self._has_given_up = self._n_broken > _MAX_BROKEN_PACKETS
        return not self._has_given_up

    def give_up(self) -> None:
        """Record that nothing more can be read."""
        self._has_given_up = True

    @property
    def is_at_end(self) -> bool:
        """True if the end of the file could not be read."""
        return self._has_given_up or self._is_damage

    @property
    def _is_damage(self) -> bool:
        return self._run_s > self._tolerated_s
