"""How long an Opus packet sounds, read from its first bytes; RFC 6716, section 3."""

from __future__ import annotations

__all__ = ["LONGEST_PACKET_S", "opus_duration_s"]

LONGEST_PACKET_S = 0.12
"""What one packet may hold."""

_FRAME_MS = (
    *((10, 20, 40, 60) * 3),  # SILK, for speech
    *((10, 20) * 2),  # hybrid
    *((2.5, 5, 10, 20) * 4),  # CELT, for music
)
"""By the first five bits."""

_MAX_FRAME_BYTES = 1275


def opus_duration_s(packet: bytes) -> float | None:
    """Return the seconds that ``packet`` lasts when decoded; None if it is no Opus packet.

    The rules of section 3.4 are checked, so that a decoder takes what passes.
    """
    if not packet:
        return None
    duration_s = _FRAME_MS[packet[0] >> 3] / 1000
    body = packet[1:]
    code = packet[0] & 3
    if code == 0:
        return duration_s if len(body) <= _MAX_FRAME_BYTES else None
    if code == 1:  # two frames of one size
        whole = len(body) % 2 == 0 and len(body) <= 2 * _MAX_FRAME_BYTES
        return 2 * duration_s if whole else None
    if code == 2:  # two frames of two sizes
        return 2 * duration_s if _fit(body, n_sizes=1) else None
    return _several(body, duration_s)


def _several(body: bytes, duration_s: float) -> float | None:
    """Of a packet that says how many frames it has."""
    if not body:
        return None
    n_frames = body[0] & 0x3F
    whole_s = n_frames * duration_s
    if not n_frames or whole_s > LONGEST_PACKET_S + 1e-9:
        return None
    has_sizes, has_padding = bool(body[0] & 0x80), bool(body[0] & 0x40)
    rest = body[1:]
    if has_padding:
        n_padding = 0
        while rest and rest[0] == 255:
            n_padding, rest = n_padding + 254, rest[1:]
        if not rest or n_padding + rest[0] > len(rest) - 1:
            return None
        rest = rest[1 : len(rest) - n_padding - rest[0]]
    if has_sizes:
        return whole_s if _fit(rest, n_sizes=n_frames - 1) else None
    size, left = divmod(len(rest), n_frames)
    return whole_s if not left and size <= _MAX_FRAME_BYTES else None


def _fit(data: bytes, n_sizes: int) -> bool:
    """Whether ``data`` begins with so many sizes of frames and has these frames, and one more."""
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
