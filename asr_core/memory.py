"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable

__all__ = ["give_back"]


def give_back() -> None:
    """Have the C library return what it keeps of freed blocks: after a crowd of speakers
    that is a hundred megabytes and more, which others on the machine could use. Takes some
    milliseconds; does nothing where the C library is not glibc. Any thread may call."""
    trim = _trim()
    if trim is not None:
        trim(ctypes.c_size_t(0))


@functools.cache  # every look at the library leaves something behind
def _trim() -> Callable[[ctypes.c_size_t], int] | None:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
