"""Duration of an Opus packet, from its table-of-contents byte; RFC 6716, section 3."""

from __future__ import annotations

__all__ = ["MAX_PACKET_S", "opus_duration_s"]

MAX_PACKET_S = 0.12
"""Longest duration of a packet."""

_FRAME_MS = (
    *((10, 20, 40, 60) * 3),  # SILK, for speech
    *((10, 20) * 2),  # hybrid
    *((2.5, 5, 10, 20) * 4),  # CELT, for music
)
"""Frame duration by configuration number, the first five bits."""

_MAX_FRAME_BYTES = 1275


def opus_duration_s(packet: bytes) -> float | None:
    """Return the decoded duration in seconds; None if it is not a valid Opus packet.

    The rules of section 3.4 are checked, so a decoder accepts what passes.
    """
    if not packet:
        return None
    duration_s = _FRAME_MS[packet[0] >> 3] / 1000
    payload = packet[1:]
    code = packet[0] & 3
    if code == 0:
        return duration_s if len(payload) <= _MAX_FRAME_BYTES else None
    if code == 1:  # two frames of one size
        is_valid = len(payload) % 2 == 0 and len(payload) <= 2 * _MAX_FRAME_BYTES
        return 2 * duration_s if is_valid else None
    if code == 2:  # two frames of two sizes
        return 2 * duration_s if _has_valid_sizes(payload, n_sizes=1) else None
    return _multi_frame_duration_s(payload, duration_s)


def _multi_frame_duration_s(payload: bytes, duration_s: float) -> float | None:
    """Return the duration of a packet that states its number of frames."""
    if not payload:
        return None
    n_frames = payload[0] & 0x3F
    total_s = n_frames * duration_s
    if not n_frames or total_s > MAX_PACKET_S + 1e-9:
        return None
    has_sizes, has_padding = bool(payload[0] & 0x80), bool(payload[0] & 0x40)
    rest = payload[1:]
    if has_padding:
        n_padding = 0
        while rest and rest[0] == 255:
            n_padding, rest = n_padding + 254, rest[1:]
        if not rest or n_padding + rest[0] > len(rest) - 1:
            return None
        rest = rest[1 : len(rest) - n_padding - rest[0]]
    if has_sizes:
        return total_s if _has_valid_sizes(rest, n_sizes=n_frames - 1) else None
    size, remainder = divmod(len(rest), n_frames)
    return total_s if not remainder and size <= _MAX_FRAME_BYTES else None


def _has_valid_sizes(data: bytes, n_sizes: int) -> bool:
    """Return True if ``data`` is that many frame sizes, their frames and one more."""
    total = 0
    for _ in range(n_sizes):
        if not data:
            return False
        size, n_used = data[0], 1
        if size >= 252:
            if len(data) < 2:
                return False
            size, n_used = size + 4 * data[1], 2
        total, data = total + size, data[n_used:]
    return 0 <= len(data) - total <= _MAX_FRAME_BYTES
