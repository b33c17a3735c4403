"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["give_back"]


def give_back() -> None:
    """Have the C library return what it keeps of freed blocks: after a crowd of speakers
    that is a hundred megabytes and more, which others on the machine could use. Takes some
    milliseconds; does nothing where the C library is not glibc. Any thread may call."""
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
