"""How much memory FFmpeg may ask for at once."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

import av

__all__ = ["limit_allocations"]

_MOST_BYTES = 200_000_000
"""More than any block that sound needs. A WAV file of a few bytes whose title claims to
be long made FFmpeg ask for two gigabytes."""


@functools.cache
def limit_allocations() -> bool:
    """Have FFmpeg refuse larger blocks, in the whole process; its own limit is 2 GB.

    Returns:
        Whether PyAV brings an FFmpeg of its own, as its wheels do, that can be told.
    """
    package = Path(av.__file__).parent
    for folder in (package.with_name("av.libs"), package / ".dylibs"):
        for library in folder.glob("*avutil*"):
            ctypes.CDLL(str(library)).av_max_alloc(ctypes.c_size_t(_MOST_BYTES))
            return True
    return False
