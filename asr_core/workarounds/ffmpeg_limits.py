"""Limit on the memory that the FFmpeg in PyAV (16 to 18) may allocate at once.

PyAV offers none, so the libraries in its wheel are called directly.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

import av

__all__ = ["limit_memory"]

_MAX_BLOCK_BYTES = 200_000_000
"""More than any block that audio needs. A WAV file of a few bytes whose title claims to
be long made FFmpeg ask for two gigabytes."""


@functools.cache
def limit_memory() -> bool:
    """Make FFmpeg refuse larger blocks in the whole process; its own limit is 2 GB.

    Returns:
        True if PyAV carries its own FFmpeg, as its wheels do; no other can be limited.
    """
    package = Path(av.__file__).parent
    for folder in (package.with_name("av.libs"), package / ".dylibs"):
        for library in folder.glob("*avutil*"):
            ctypes.CDLL(str(library)).av_max_alloc(ctypes.c_size_t(_MAX_BLOCK_BYTES))
            return True
    return False
