"""ID3v2 tags, which may precede the audio of files of several formats."""

from __future__ import annotations

__all__ = ["id3_size"]


def id3_size(header: bytes) -> int:
    """Return the length in bytes of the tag whose first ten bytes are given; 0 for no tag."""
    if not header.startswith(b"ID3"):
        return 0
    size = 0
    for byte in header[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size
